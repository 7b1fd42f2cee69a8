"""Reads class folders, in one folder or in parts such as train/ and valid/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.folders import Listing, is_image_name, list_folder, list_images, mark_visited
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.part_names import name_parts
from sightx_cli.data.tables import is_table_name, tidy_values
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

LAYOUT_HINT = "give a folder with one subfolder of images for each class, or a CSV table with the columns image,label"


def load_class_folders(root: Path) -> Manifest:
    """Read a folder of class folders, or of parts such as train/ and valid/ that hold them. No image is opened.

    Raises: `DataError` for a folder without images in class folders, or with parts that cannot be used.
    """
    listing = Listing()
    mark_visited(root, listing)
    folders, files = list_folder(root)
    names = [entry.name for entry in folders]
    parts = _choose_parts(root, names)
    notices = [
        Notice("other-folders", f"left out {root.name}/{name}/, which is next to {', '.join(parts)}", 1, warns=True)
        for name in names
        if name not in parts
    ]
    if parts:
        rows = _list_classes({root / name: _find_part(name) for name in parts}, listing, notices)
    else:
        notices = []
        rows = _list_classes({root: ""}, listing, notices)
    notices += listing.list_notices()
    if not rows:
        tables = [entry.name for entry in files if is_table_name(Path(entry.name))]
        raise DataError(
            f"{root} contains no images in class folders" + "".join(f"; {notice.text}" for notice in notices),
            f"type sightx fit {quote(root / tables[0])}" if tables else LAYOUT_HINT,
        )
    if {part for _, _, part in rows} == {"train"}:  # alone it is not a split: a valid part is still to be set aside
        parts = []
        rows = [(path, label, "") for path, label, _ in rows]
    return build_manifest(_build_frame(rows, root), root, "split-folders" if parts else "folder", notices)


def _choose_parts(root: Path, names: Sequence[str]) -> list[str]:
    """The folders that are parts such as train/; none if the folders are the classes themselves.

    A class may be called train, too (pictures of railways): it is a part only if it contains class folders, and if
    another part, or no other images, are next to it.

    Raises: `DataError` for parts that contain images but no class folders, and for parts without train/.
    """
    parts = [name for name in names if _find_part(name)]
    with_classes = [name for name in parts if list_folder(root / name)[0]]
    if not with_classes:
        if len(parts) > 1 and len(parts) == len(names):
            raise DataError(
                f"{root} has {', '.join(parts)}, but no class folders in them",
                f"put the images of each class in {parts[0]}/CLASS/",
            )
        return []
    if any(_find_part(name) == "train" for name in with_classes):
        others = [name for name in names if name not in parts]
        alone = not any(next(list_images(root / name, Listing()), None) for name in others)
        return parts if len(parts) > 1 or alone else []
    if len(with_classes) == len(names):
        raise DataError(
            f"{root} has {', '.join(with_classes)} but no train", "name the folder with the training images train"
        )
    return []


def _find_part(name: str) -> str:
    """The part that a folder of this name is: train, valid or test; "" for another folder."""
    return name_parts([name]).get(name, "")


def _list_classes(bases: Mapping[Path, str], listing: Listing, notices: list[Notice]) -> list[tuple[Path, str, str]]:
    """(path, label, part) of every image in the class folders of `bases` {folder: part}; the class folder is the label.

    All class folders are marked before any is read, so that a link from one class into another takes no images from it.
    """
    classes: list[tuple[Path, str]] = []
    for base, part in bases.items():
        mark_visited(base, listing)
        folders, files = list_folder(base)
        loose = sum(is_image_name(entry.name) for entry in files)
        if loose:
            text = f"left out {loose:,} image{'s' * (loose != 1)} directly in {base.name}/, in no class folder"
            notices.append(Notice("loose-images", text, loose, warns=True))
        classes += [(base / entry.name, part) for entry in folders if mark_visited(base / entry.name, listing)]
    rows: list[tuple[Path, str, str]] = []
    for folder, part in classes:
        found = [(path, folder.name, part) for path in list_images(folder, listing)]
        if not found:
            text = f"left out the folder {folder.parent.name}/{folder.name}/, which contains no images"
            notices.append(Notice("empty-folders", text, 1, warns=True))
        rows += found
    labels, same = tidy_values([label for _, label, _ in rows], "class folders")
    notices += [Notice("same-names", same, warns=True)] if same else []
    return [(path, name or label, part) for (path, label, part), name in zip(rows, labels, strict=True)]


def _build_frame(rows: list[tuple[Path, str, str]], root: Path) -> pd.DataFrame:
    import pandas as pd

    columns = {
        "image": [path.relative_to(root).as_posix() for path, _, _ in rows],
        "path": [str(path) for path, _, _ in rows],
        "label": [label for _, label, _ in rows],
        "split": [part for _, _, part in rows],
        "group": [""] * len(rows),
    }
    return pd.DataFrame(columns, dtype=str)

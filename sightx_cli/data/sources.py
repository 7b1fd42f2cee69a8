"""Reads the layout of the user's data: class folders, train/ and valid/ folders, a table, a demo, or loose images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.demo import DEMO_PREFIX, load_demo
from sightx_cli.data.folders import (
    Listing,
    is_image_name,
    is_valid_text,
    list_folder,
    list_images,
    mark_visited,
)
from sightx_cli.data.labelled_table import SPLIT_NAMES, load_labelled_table
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.tables import TABLE_SUFFIXES, is_table_name, locate_image, read_table, tidy, tidy_values
from sightx_cli.errors import DataError, quote

if TYPE_CHECKING:
    import pandas as pd

_LAYOUT_HINT = "give a folder with one subfolder of images for each class, or a CSV table with the columns image,label"


def load_manifest(source: str | Path) -> Manifest:
    """Read the layout of a source: a folder, a table (CSV, TSV, Parquet) or `demo:solar`. No image is opened.

    Raises: `DataError` for a missing path, an unknown layout, an empty folder, or a faulty table.
    """
    if isinstance(source, str) and source.startswith(DEMO_PREFIX):
        return load_demo(source.removeprefix(DEMO_PREFIX))
    path = Path(source).expanduser()
    _check_exists(path)
    if not is_valid_text(str(path.absolute())):
        raise DataError(f"{path}: its path is not valid UTF-8 text", "rename that folder, and try again")
    if path.is_dir():
        return _load_folder(path.absolute())
    if is_table_name(path):
        table, notes = load_labelled_table(path.absolute())
        return build_manifest(table, path.absolute().parent, "table", notes)
    raise DataError(f"{path} is neither a folder nor a table ({', '.join(TABLE_SUFFIXES)})", _LAYOUT_HINT)


def list_unlabelled(sources: Sequence[str | Path]) -> list[tuple[str, str]]:
    """List the images to predict: folders (recursively), files, tables with a column image; each file once.

    Returns pairs (image, path): the image as given (the source as typed with the folders below it, or a table's
    value), and its absolute path. pandas is imported only for a table, so that predicting one image is quick.

    Raises: `DataError` for a missing path or a source without images.
    """
    found: dict[str, str] = {}
    for source in sources:
        given = Path(source).expanduser()
        _check_exists(given)
        if given.is_dir():
            listing = Listing()
            mark_visited(given, listing)
            images = [(str(image), str(image.absolute())) for image in list_images(given, listing)]
            if not images:
                raise DataError(f"{given} contains no images", "; ".join(listing.notes()) or "give a folder of images")
        elif is_table_name(given):
            table = read_table(given, ["image"])
            root = given.absolute().parent
            images = [(image, locate_image(image, root)) for image in table["image"]]
        else:
            images = [(str(given), str(given.absolute()))]
        for image, path in images:
            found.setdefault(path, image)
    if not found:
        raise DataError("no images were given", "type sightx predict FOLDER")
    return [(image, path) for path, image in found.items()]


def _check_exists(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        parent = path.absolute().parent
        hint = f"see what is there: ls {quote(parent)}" if parent.is_dir() else _LAYOUT_HINT
        raise DataError(f"{path} {reason}", hint) from error


def _load_folder(root: Path) -> Manifest:
    listing = Listing()
    mark_visited(root, listing)
    folders, files = list_folder(root)
    names = [entry.name for entry in folders]
    parts = _choose_parts(root, names)
    notes = [
        f"left out {root.name}/{name}/, which is next to {', '.join(parts)}" for name in names if name not in parts
    ]
    if parts:
        rows = _list_classes({root / name: _find_part(name) for name in parts}, listing, notes)
    else:
        notes = []
        rows = _list_classes({root: ""}, listing, notes)
    notes += listing.notes()
    if not rows:
        tables = [entry.name for entry in files if is_table_name(Path(entry.name))]
        raise DataError(
            f"{root} contains no images in class folders" + "".join(f"; {note}" for note in notes),
            f"type sightx fit {quote(root / tables[0])}" if tables else _LAYOUT_HINT,
        )
    if {part for _, _, part in rows} == {"train"}:  # alone it is not a split: a valid part is still to be set aside
        parts = []
        rows = [(path, label, "") for path, label, _ in rows]
    return build_manifest(_build_frame(rows, root), root, "split-folders" if parts else "folder", notes)


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
    return SPLIT_NAMES.get(tidy(name).lower(), "")


def _list_classes(bases: Mapping[Path, str], listing: Listing, notes: list[str]) -> list[tuple[Path, str, str]]:
    """(path, label, part) of every image in the class folders of `bases` {folder: part}; the class folder is the label.

    All class folders are marked before any is read, so that a link from one class into another takes no images from it.
    """
    classes: list[tuple[Path, str]] = []
    for base, part in bases.items():
        mark_visited(base, listing)
        folders, files = list_folder(base)
        loose = sum(is_image_name(entry.name) for entry in files)
        if loose:
            notes.append(f"left out {loose:,} image{'s' * (loose != 1)} directly in {base.name}/, in no class folder")
        classes += [(base / entry.name, part) for entry in folders if mark_visited(base / entry.name, listing)]
    rows: list[tuple[Path, str, str]] = []
    for folder, part in classes:
        found = [(path, folder.name, part) for path in list_images(folder, listing)]
        if not found:
            notes.append(f"left out the folder {folder.parent.name}/{folder.name}/, which contains no images")
        rows += found
    labels, same = tidy_values([label for _, label, _ in rows], "class folders")
    notes += [same] if same else []
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

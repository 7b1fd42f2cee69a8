"""Reads class folders, in one folder or in parts such as train/ and valid/."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.column_file import PART_ROWS, build_column, keep_in_file
from sightx_cli.data.folders import Folder, Listing, name_folders, visit, walk
from sightx_cli.data.layout import LAYOUT_HINT
from sightx_cli.data.layouts.class_layout import ClassFolder, find_layout
from sightx_cli.data.layouts.part_folders import name_table
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.spellings import fold_spelling, unify_spellings
from sightx_cli.data.text_columns import list_texts
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

NAMES_HINT = "put the images of each class in a folder of its own, or add --label-by REGEX where their names say it"


def load_class_folders(top: Folder, judges: bool = False) -> Manifest:
    """Read a folder of class folders, or of parts such as train/ and valid/ that hold them. No image is decoded.

    Where a finished model `judges` them, no part need be one to train on.

    Raises: `DataError` for a folder without images in class folders, with parts that cannot be used, or of which the
    classes cannot be told.
    """
    root, listing = top.path, Listing(kinds=top.kinds)
    visit(top, listing)
    layout = find_layout(top, judges)
    bases = list({one.path: one for base in layout.bases for one in (*reversed(base.list_above()), base)}.values())
    empty = [one for base in bases for one in base.folders if not one.has_images]
    notices = [*layout.notices, *_tell_loose(bases), *_tell_empty(top, empty)]
    classes, same = _join_same(layout.classes)
    frame = _build_frame(classes, root, listing)
    for base in bases:
        listing.tally.merge(base.tally)
    for one in empty:
        list(walk(one, listing))  # what they hold instead of images is counted, too
    notices += [*same, *listing.list_notices()]
    if not len(frame):
        raise DataError(
            f"{root} contains no images in class folders" + "".join(f"; {notice.text}" for notice in notices),
            name_table(root) or (NAMES_HINT if any(base.images for base in bases) else LAYOUT_HINT),
        )
    labels, spelled = unify_spellings(list_texts(frame["label"]), "class folders")
    frame["label"] = build_column(labels, frame.index)
    notices += spelled
    is_split = not set(frame["split"]) <= {"train", ""}
    if not is_split:  # train alone is none: a valid part is still to be set aside
        frame["split"] = ""
    return build_manifest(frame, root, "split-folders" if is_split else "folder", notices)


def _join_same(classes: Sequence[ClassFolder]) -> tuple[list[ClassFolder], list[Notice]]:
    """Keep one of the names that lead to one class folder, and say so.

    That which is no link is kept, then train; but train never takes the folder of another part if it has another of
    this class, and never loses its only one.
    """
    alike: dict[object, list[ClassFolder]] = {}
    for one in classes:
        alike.setdefault(one.folder.identity, []).append(one)
    train = Counter(fold_spelling(one.label) for one in classes if one.part == "train")
    kept, examples, images = [], [], 0
    for group in alike.values():
        best = min(group, key=lambda one: _rank(one, train))
        kept.append(best)
        if len(group) > 1:
            examples.append(" and ".join(_name(one) for one in group) + f" (read as {_name(best)})")
            images += best.folder.count_images()
    if not examples:
        return list(classes), []
    more = f", and {len(examples) - 2:,} more likewise" if len(examples) > 2 else ""
    text = f"the same folder under two names, read once: {'; '.join(examples[:2])}{more}"
    return [one for one in classes if one in kept], [Notice("same-folder", text, images, warns=True)]


def _rank(one: ClassFolder, train: Counter[str]) -> tuple[bool, bool]:
    is_needed = one.part == "train" and train[fold_spelling(one.label)] == 1
    return (not is_needed, one.folder.is_link)


def _name(one: ClassFolder) -> str:
    return f"{one.folder.path.parent.name}/{one.folder.name}/"


def _tell_loose(bases: Sequence[Folder]) -> list[Notice]:
    loose = [base for base in bases if base.images]
    if not loose:
        return []
    count = sum(len(base.images) for base in loose)
    text = f"left out {count:,} image{'s' * (count != 1)} directly in {name_folders(loose)}, in no class folder"
    return [Notice("loose-images", text, count, warns=True)]


def _tell_empty(root: Folder, empty: Sequence[Folder]) -> list[Notice]:
    """Say which folders where classes or parts are expected hold no image; of our own the listing says enough."""
    empty = [one for one in empty if not one.has_products]
    if not empty:
        return []
    names = ", ".join(f"{one.path.relative_to(root.path).as_posix()}/" for one in empty[:4])
    more = f" and {len(empty) - 4:,} more" if len(empty) > 4 else ""
    text = f"left out {names}{more}, which contain{'s' * (len(empty) == 1)} no images"
    return [Notice("empty-folders", text, len(empty), warns=True)]


def _build_frame(classes: Sequence[ClassFolder], root: Path, listing: Listing) -> pd.DataFrame:
    """List the images of the class folders.

    All are visited before any is read, so that a link from one class into another takes no images from it.
    """
    import pandas as pd

    for one in classes:
        visit(one.folder, listing)
    columns = dict[str, list[str]](image=[], path=[], label=[], split=[])
    kept = list[pd.DataFrame]()
    for one in classes:
        for folder in walk(one.folder, listing):
            within = folder.path.relative_to(root).as_posix()  # joined as text: a path for each image takes longer
            columns["image"] += [f"{within}/{name}" for name in folder.images]
            columns["path"] += [f"{folder.path}{os.sep}{name}" for name in folder.images]
            columns["label"] += [one.label] * len(folder.images)
            columns["split"] += [one.part] * len(folder.images)
            if len(columns["image"]) >= PART_ROWS:
                kept.append(keep_in_file(pd.DataFrame(columns, dtype=str)))
                columns = {name: [] for name in columns}
    return pd.concat([*kept, pd.DataFrame(columns, dtype=str)], ignore_index=True).assign(group="")

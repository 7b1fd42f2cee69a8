"""Finds the class folders below a folder: in it, or in parts such as train/ and valid/, or a folder deeper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightx_cli.data.folders import Folder, name_folders
from sightx_cli.data.layouts.lookalikes import check_containers, find_inner_parts, have_inner_parts, hold_no_classes
from sightx_cli.data.layouts.part_folders import (
    Division,
    describe_parts,
    divide,
    name_table,
    tell_left_out,
    tell_unlabelled,
)
from sightx_cli.data.layouts.part_names import is_filler, is_unlabelled, name_parts
from sightx_cli.data.spellings import fold_spelling
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose images, at whatever depth, have one label."""

    folder: Folder
    label: str
    part: str
    """train, valid, test, or "" where there are no parts."""


@dataclass(frozen=True)
class ClassLayout:
    """The class folders, the folders that hold them, and what was assumed or left aside."""

    classes: tuple[ClassFolder, ...]
    bases: tuple[Folder, ...]
    notices: tuple[Notice, ...]


def find_layout(root: Folder, judges: bool = False) -> ClassLayout:
    """Find the class folders: in `root`, in parts in it, or a folder deeper where it holds only one.

    Where a finished model `judges` the images, no part need be one to train on.

    Raises: `DataError` where folders that look like classes are none, with the line to type; see `divide` and
    `check_containers`.
    """
    base = root
    notices: list[Notice] = []
    while True:
        folders, same = join_same(base.filled)
        division = divide(base, folders, judges)
        notices += [*same, *division.notices]
        if division.parts:
            return _gather_parts(root, division, notices)
        aside = [one for one in folders if is_unlabelled(one.name) and all(is_unlabelled(i.name) for i in one.filled)]
        folders = [one for one in folders if one not in aside]
        notices += [tell_unlabelled(one, warns=True) for one in aside]
        holders = [one for one in folders if is_filler(one.name) and not hold_no_classes(one.filled)]
        if len(folders) > 1 and hold_no_classes(folders) and len(holders) == 1:  # images/CLASS/ and masks/
            notices.append(tell_left_out([one for one in folders if one not in holders], holders))
            folders = holders
        inner = _find_wrapped(base, folders)
        if inner is None:
            break
        base = inner
    if base is not root:
        notices.append(Notice("parts", f"class folders from {base.path.relative_to(root.path).as_posix()}/"))
    if folders:
        _check_alone(base, folders)
    if folders and all(have_inner_parts(one) for one in folders):
        return _gather_inner_parts(folders, notices)
    notices += check_containers(base, folders)
    return ClassLayout(tuple(ClassFolder(one, one.name, "") for one in folders), (base,), tuple(notices))


def join_same(folders: Sequence[Folder]) -> tuple[list[Folder], list[Notice]]:
    """Keep one of the names that lead to one folder, and say so.

    Of two parts valid is kept, then test, unless no train would be left; of two other names that which is no link.
    """
    named = name_parts([folder.name for folder in folders])
    part = {folder.name: named.get(folder.name, "") for folder in folders}
    alike: dict[object, list[Folder]] = {}
    for folder in folders:
        alike.setdefault(folder.identity, []).append(folder)
    ranks = {"valid": 0, "test": 1, "train": 2, "": 3}
    kept, notices = [], []
    for group in alike.values():
        is_only_train = not any(part[one.name] == "train" for one in folders if one not in group)
        preferred = ranks | ({"train": -1} if is_only_train else {})
        best = min(group, key=lambda one: (preferred[part[one.name]], one.is_link))
        kept.append(best)
        if len(group) > 1:
            names = " and ".join(f"{one.name}/" for one in group)
            text = f"{names} are the same folder: read once, as {part[best.name] or f'{best.name}/'}"
            if any(part[one.name] == "valid" for one in group) and part[best.name] == "train":
                text += "; valid is split off it"
            is_plain = {part[one.name] for one in group} == {part[best.name]} != {""}
            notices.append(Notice("same-folder", text, len(group), warns=not is_plain))
    return [folder for folder in folders if folder in kept], notices


def _find_wrapped(base: Folder, folders: Sequence[Folder]) -> Folder | None:
    """Return the only folder with images if it is no class, but holds the parts or the classes."""
    if len(folders) != 1:
        return None
    only = bottom = folders[0]
    while len(bottom.filled) == 1 and not name_parts([bottom.filled[0].name]):
        bottom = bottom.filled[0]
    if "train" in name_parts([inner.name for inner in bottom.filled]).values():
        return only
    if only.images:
        return None
    says_nothing = is_filler(only.name) or fold_spelling(only.name) == fold_spelling(base.name)
    return only if says_nothing and only.filled and not base.images and not hold_no_classes(only.filled) else None


def _check_alone(base: Folder, folders: Sequence[Folder]) -> None:
    """Refuse images/ alone, images/ and masks/, and one folder that holds several: none of these is a class."""
    if hold_no_classes(folders):
        raise DataError(
            f"{base.path} has images in {name_folders(folders)}, but no class folders",
            name_table(base.path)
            or "put the images of each class in a folder of its own, or list them in a table: image,label",
        )
    only = folders[0]
    while len(only.filled) == 1 and not only.images:
        only = only.filled[0]
    if len(folders) == 1 and len(only.filled) > 1 and not only.images:
        raise DataError(
            f"{base.path} has one folder with images, {only.path.relative_to(base.path).as_posix()}/, and in it "
            f"{name_folders(only.filled)}",
            f"if these are the classes: sightx fit {quote(only.path)}",
        )


def _gather_parts(root: Folder, division: Division, said: Sequence[Notice]) -> ClassLayout:
    notices = [*describe_parts(root, division.parts), *said]
    for part in division.parts:
        notices += [one for one in check_containers(part.bottom, part.classes) if one not in notices]
    classes = [ClassFolder(one, one.name, part.name) for part in division.parts for one in part.classes]
    return ClassLayout(tuple(classes), tuple(part.bottom for part in division.parts), tuple(notices))


def _gather_inner_parts(folders: Sequence[Folder], notices: Sequence[Notice]) -> ClassLayout:
    """Take the parts from within the classes: ants/train/, ants/valid/, bees/train/, bees/valid/."""
    parts = [(one, inner, find_inner_parts(one).get(inner.name)) for one in folders for inner in one.filled]
    names = ", ".join(dict.fromkeys(f"{part} from {inner.name}/" for _, inner, part in parts if part))
    notice = Notice("parts", f"{names} in each of {name_folders(folders)}", len(folders), warns=True)
    classes = tuple(ClassFolder(inner, one.name, part) for one, inner, part in parts if part)
    return ClassLayout(classes, tuple(folders), (notice, *notices))

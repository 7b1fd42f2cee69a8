"""Finds the folders that are parts, such as train/ and valid/, and those beside them that are none.

What could be read in two ways is refused, with the line to type; what was assumed is a notice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sightx_cli.data.folders import Folder, name_folders
from sightx_cli.data.layouts.lookalikes import hold_no_classes, judge_name
from sightx_cli.data.layouts.part_names import PLAIN_NAMES, is_filler, name_parts, read_part_name
from sightx_cli.data.spellings import fold_spelling
from sightx_cli.data.tables import is_table_name
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

_NOT_LABELLED = frozenset(("unknown", "all", "none", "dummy"))
"""Names of the one folder that some tools want around images without labels: test/unknown/."""


@dataclass(frozen=True)
class PartFolder:
    """A folder that is a part, and the folder in it whose folders are the classes: often the same."""

    name: str
    """train, valid or test."""
    folder: Folder
    bottom: Folder

    @property
    def classes(self) -> list[Folder]:
        """The class folders; none where there are images alone."""
        return [] if hold_no_classes(self.bottom.filled) else self.bottom.filled

    @property
    def spellings(self) -> set[str]:
        """The names of its classes, as they are compared."""
        return {fold_spelling(one.name) for one in self.classes}


@dataclass(frozen=True)
class Division:
    """The folders below one: which are parts, and what is said of the others."""

    parts: tuple[PartFolder, ...] = ()
    notices: tuple[Notice, ...] = ()


def divide(base: Folder, folders: Sequence[Folder], judges: bool = False) -> Division:
    """Tell which of the folders in `base` are parts; none where all are classes.

    A class may be called train, too (pictures of railways): it is a part only if it holds class folders. Where a
    finished model `judges` the images, no part need be one to train on.

    Raises: `DataError` for parts without class folders, for parts without train, and for what may be a part or a class.
    """
    named = name_parts([folder.name for folder in folders])
    parts = _find_bottoms(
        [PartFolder(named[folder.name], folder, _descend(folder)) for folder in folders if folder.name in named]
    )
    labelled = [part for part in parts if part.classes]
    if not parts or not _are_evident(parts):
        return Division()
    rests = {read_part_name(part.folder.name).rest for part in parts} | {()}
    others = [folder for folder in folders if folder.name not in named]
    read = {folder.name: read_part_name(folder.name) for folder in others}
    aside = [one for one in others if read[one.name].part == "unlabelled" and read[one.name].rest in rests]
    others = [one for one in others if one not in aside]
    if not labelled:
        return _read_as_class(base, parts, others)
    if not judges and not any(part.name == "train" for part in labelled):
        _refuse_without_train(base, parts, labelled, others)
    if len(parts) == 1 and others and _is_lone_class(base, parts[0], others):
        return _read_as_class(base, parts, others)
    return _build_division(parts, aside, others)


def tell_unlabelled(folder: Folder, warns: bool = False) -> Notice:
    """Say of a folder of images without classes how many they are, and what to type to label them."""
    count = folder.count_images()
    many = count != 1
    found = f"passed over {folder.name}/: {count:,} image{'s' * many} in no class folder"
    advice = f". To label {'them' if many else 'it'} with the model: "
    return Notice("unlabelled", found + advice + f"sightx predict {quote(folder.path)}", count, warns)


def tell_left_out(folders: Sequence[Folder], beside: Sequence[Folder]) -> Notice:
    """Say of folders of images, beside those that are used, how many images they hold."""
    counts = ", ".join(f"{folder.name}/ ({folder.count_images():,} images)" for folder in folders[:4])
    more = f" and {len(folders) - 4:,} more" if len(folders) > 4 else ""
    text = f"left out {counts}{more}, next to {name_folders(beside)}"
    return Notice("other-folders", text, sum(folder.count_images() for folder in folders), warns=True)


def describe_parts(root: Folder, parts: Sequence[PartFolder]) -> list[Notice]:
    """Say where each part comes from, unless the names are the plain ones and nothing was assumed."""
    found: dict[str, list[PartFolder]] = defaultdict(list)
    for part in parts:
        found[part.name].append(part)
    are_plain = [
        part.folder.name.lower() in PLAIN_NAMES and part.bottom.path.parent == root.path and len(found[part.name]) == 1
        for part in parts
    ]
    if all(are_plain) and ("valid" in found or set(found) == {"train"}):
        return []
    said = [
        f"{name} from {' and '.join(f'{part.bottom.path.relative_to(root.path).as_posix()}/' for part in found[name])}"
        for name in ("train", "valid", "test")
        if name in found
    ]
    if "valid" not in found:
        said.append("valid is split off train")
    return [Notice("parts", "; ".join(said))]


def name_table(folder: Path) -> str:
    """Return what to type where a table lies in a folder, or ""."""
    tables = sorted(path for path in folder.iterdir() if is_table_name(path) and not path.name.startswith("."))
    return f"type sightx fit {quote(tables[0])}" if tables else ""


def _descend(folder: Folder) -> Folder:
    """Enter folders that are held alone and whose names say nothing more: seg_train/seg_train/, train/images/."""
    while len(folder.filled) == 1:
        inner = folder.filled[0]
        says_nothing = is_filler(inner.name) or read_part_name(inner.name).is_certain or inner.name == folder.name
        if not says_nothing or not inner.filled:
            break
        folder = inner
    return folder


def _find_bottoms(parts: Sequence[PartFolder]) -> list[PartFolder]:
    """Enter a folder that a part holds alone if the folders in it bear the names of the other parts' classes."""
    found = []
    for part in parts:
        others = [names for other in parts if other is not part and (names := _list_sole(other))]
        inner = part.classes[0] if len(part.classes) == 1 else None
        if inner and not any(fold_spelling(inner.name) in names for names in others):
            shared = {fold_spelling(one.name) for one in inner.filled}.intersection(*others or [set()])
            is_alike = len(shared) > 1 and any(judge_name(name) == "label" for name in shared)
            part = replace(part, bottom=inner) if is_alike else part
        found.append(part)
    return found


def _list_sole(part: PartFolder) -> set[str]:
    """Return the names of a part's classes, or of what its only one holds."""
    if len(part.classes) == 1 and (inner := part.classes[0].filled):
        return {fold_spelling(one.name) for one in inner}
    return part.spellings


def _are_evident(parts: Sequence[PartFolder]) -> bool:
    """Whether folders are parts though their names say more than that (xray_train): by classes of the same names."""
    if all(read_part_name(part.folder.name).is_certain for part in parts):
        return True
    train = {name for part in parts if part.name == "train" for name in part.spellings}
    return any(part.spellings & train for part in parts if part.name != "train")


def _build_division(parts: Sequence[PartFolder], aside: Sequence[Folder], others: Sequence[Folder]) -> Division:
    known = {name for part in parts if part.name == "train" for name in part.spellings}
    used = [part for part in parts if part.classes and (part.name == "train" or not _is_unlabelled(part, known))]
    notices = [tell_unlabelled(part.folder, warns=True) for part in parts if part not in used]
    notices += [tell_unlabelled(folder) for folder in aside]
    if others:
        notices.append(tell_left_out(others, [part.folder for part in used]))
    return Division(tuple(used), tuple(notices))


def _is_unlabelled(part: PartFolder, known: set[str]) -> bool:
    """Whether a part's one folder is no class: test/unknown/, test/test/."""
    name = part.classes[0].name
    if len(part.classes) != 1 or fold_spelling(name) in known:
        return False
    return is_filler(name) or read_part_name(name).is_certain or fold_spelling(name) in _NOT_LABELLED


def _read_as_class(base: Folder, parts: Sequence[PartFolder], others: Sequence[Folder]) -> Division:
    """Take a folder called train that holds images, next to others that do, for a class; refuse anything else."""
    one = next((part.folder for part in parts if part.name == "train"), parts[0].folder)
    them = "it" if len(parts) == 1 else "them"
    if not others:
        raise DataError(
            f"{base.path} has {name_folders([part.folder for part in parts])}, but no class folders in {them}",
            name_table(base.path) or f"put the images of each class in {one.name}/CLASS/",
        )
    if len(parts) > 1 or parts[0].name != "train":
        _refuse_class(base, [part.folder for part in parts], others)
    text = (
        f"{one.name}/ is read as a class, like {name_folders(others, 2)}: what it holds are no class folders. If it is "
        "no class, move it out of the data"
    )
    return Division(notices=(Notice("class-named-as-part", text, 1, warns=True),))


def _is_lone_class(base: Folder, train: PartFolder, others: Sequence[Folder]) -> bool:
    """Whether one folder called train that holds folders, next to others with images, is the class train.

    It is if it holds patients, dates or numbers, and the others hold images.
    """
    kinds = {judge_name(inner.name) for inner in train.classes}
    if "label" not in kinds and all(one.images for one in others):
        return True
    folder = train.folder
    raise DataError(
        f"{base.path}: {folder.name}/ holds folders of images ({name_folders(train.classes)}), and beside it lie "
        f"images in {name_folders(others)}: is it the part to train on, or a class?",
        f"if it is the part: sightx fit {quote(folder.path)}; if it is a class, rename it: "
        f"mv {quote(folder.path)} {quote(folder.path.with_name(f'{folder.name}_class'))}",
    )


def _refuse_class(base: Folder, named: Sequence[Folder], others: Sequence[Folder]) -> None:
    one = named[0]
    away, kept = base.path.parent / f"{base.name}-{one.name}", one.path.with_name(f"{one.name}_class")
    raise DataError(
        f"{base.path}: {name_folders(named)} {'is' if len(named) == 1 else 'are'} named like a part of the data, but "
        f"{name_folders(others)} beside it are not",
        f"if it is no class, move it out: mv {quote(one.path)} {quote(away)}; if it is one, rename it: "
        f"mv {quote(one.path)} {quote(kept)}",
    )


def _refuse_without_train(
    base: Folder, parts: Sequence[PartFolder], labelled: Sequence[PartFolder], others: Sequence[Folder]
) -> None:
    named = name_folders([part.folder for part in labelled])
    flat = [part.folder.name for part in parts if part not in labelled]
    train = base.path / "train"
    if not others:
        said = f"no class folders in {flat[0]}/" if flat else "no train"
        hint = f"put the images of each class in {flat[0]}/CLASS/" if flat else "name the folder to train on train"
        raise DataError(f"{base.path} has {named} but {said}", hint)
    known = {name for part in labelled for name in part.spellings}
    alike = [one for one in others if len({fold_spelling(inner.name) for inner in one.filled} & known) > 1]
    if len(alike) == 1:
        raise DataError(
            f"{base.path} has {named} but no train; {alike[0].name}/ holds folders of the same names",
            f"if it is the part to train on, rename it: mv {quote(alike[0].path)} {quote(train)}",
        )
    if known & {fold_spelling(one.name) for one in others}:
        command = " ".join(["mkdir", quote(train), "&&", "mv", *(quote(one.path) for one in others), quote(train)])
        raise DataError(
            f"{base.path} has {named} beside the class folders {name_folders(others)}",
            f"put those to train on into a folder of their own: {command}",
        )
    _refuse_class(base, [part.folder for part in parts], others)

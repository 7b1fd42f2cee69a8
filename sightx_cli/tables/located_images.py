"""The files of a table's images: each name's path, what was completed on the way, and what is not there."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice
from sightx_cli.tables.file_names import fold_name, split_path
from sightx_cli.tables.image_finder import (
    AMBIGUOUS,
    COMPLETED,
    MISSING,
    OTHER_ENDING,
    SHORTENED,
    FoundFile,
    ImageFinder,
)

CANDIDATES_SHOWN = 4
PLACED = "placed"
"""FoundFile where the row says: its part, its class."""
WORDS = {
    COMPLETED: "{count} of {table} completed to files{where}, such as {example}",
    OTHER_ENDING: "{count} of {table} led to files{where} with another ending, such as {example}: see that these are "
    "the same pictures",
    PLACED: "{count} of {table} have files in several folders, and were read from the one that the row names, such as "
    "{example}",
    SHORTENED: "{count} of {table} led to files{where} by the end of paths that are not here, such as {example}",
}
"""What is said of names that are not files as they stand."""


@dataclass(frozen=True)
class LocatedImages:
    """The absolute path of each name of a table, the places of those that do not exist, and what to say."""

    paths: list[str]
    missing: list[int]
    notices: list[Notice]


def locate_images(
    names: Sequence[str], finder: ImageFinder, table: Path, read_row: Callable[[int], Iterable[str]] | None = None
) -> LocatedImages:
    """Find the files of a table's names; an empty name has no path, and is not missing.

    `read_row` gives the cells of a row: of several files, that in a folder which the row names is meant (1.jpg with the
    label cat is cat/1.jpg).

    Raises: `DataError` where a name may mean several files, or two paths of different folders the same.
    """
    found = finder.find(names)
    if read_row is not None:
        found = [_place(one, read_row(place)) if one.how == AMBIGUOUS else one for place, one in enumerate(found)]
    _refuse_ambiguous(names, found, table)
    _refuse_merged(names, found, table)
    notices = []
    for how, text in WORDS.items():
        places = [place for place, one in enumerate(found) if one.how == how]
        if places:
            shown = [shorten_path(found[place].path, table.parent) for place in places]
            folders = {split_path(path)[0] for path in shown}
            said = text.format(
                count=f"{len(places):,} image name{'s' * (len(places) != 1)}",
                table=table.name,
                where=f" in {next(iter(folders))}{os.sep}" if len(folders) == 1 and folders != {""} else "",
                example=f"{names[places[0]].strip()} → {shown[0]}",
            )
            notices.append(Notice(f"{how}-names", said, len(places), how == OTHER_ENDING))
    filled = [bool(name.strip()) for name in names]
    missing = [place for place, one in enumerate(found) if one.how == MISSING and filled[place]]
    paths = [one.path if there else "" for one, there in zip(found, filled, strict=True)]
    return LocatedImages(paths, missing, notices)


def tell_apart(names: Sequence[str], paths: Sequence[str], folder: Path) -> list[str]:
    """Return the names, in place of one that leads to several files the path of each relative to the table's folder."""
    file_of, doubtful = dict[str, str](), set[str]()
    for name, path in zip(names, paths, strict=True):
        if file_of.setdefault(name, path) != path:
            doubtful.add(name)
    return [shorten_path(path, folder) if name in doubtful else name for name, path in zip(names, paths, strict=True)]


def _place(found: FoundFile, cells: Iterable[str]) -> FoundFile:
    """Settle which file a name means by the folder that its row names, if it names one."""
    words = {fold_name(cell.strip()) for cell in cells}
    named = [path for path in found.candidates if fold_name(split_path(split_path(path)[0])[1]) in words]
    return FoundFile(named[0], PLACED) if len(named) == 1 else found


def describe_missing(names: Sequence[str], located: LocatedImages, finder: ImageFinder, table: Path) -> str:
    """Say how many of a table's images do not exist, with the first, and where they were looked for."""
    lost = names[located.missing[0]].strip()
    return (
        f"{len(located.missing):,} of {len(names):,} images of {table.name} do not exist, such as {lost} "
        f"(looked for in {finder.bases[0]} and one folder below)"
    )


def build_absence(
    names: Sequence[str], located: LocatedImages, finder: ImageFinder, table: Path, others: Sequence[str] = ()
) -> DataError:
    """Build the error for a table of which no image exists, with the folder to name where its images may be.

    `others` are columns of the table whose values are names of files.
    """
    lost = names[located.missing[0]].strip()
    elsewhere = finder.find_elsewhere(lost)
    hint = f"write the paths relative to {quote(table.parent)}, or name the folder of the images: --images FOLDER"
    return DataError(
        f"none of the {len(names):,} images of {table} exists; the first is {lost}, looked for in {finder.bases[0]} "
        "and one folder below",
        f"add --image-column {quote(others[0])}, whose values are names of files"
        if others
        else f"add --images {quote(name_near(elsewhere))}, where it is found"
        if elsewhere
        else hint,
    )


def _refuse_ambiguous(names: Sequence[str], found: Sequence[FoundFile], table: Path) -> None:
    several = [(name.strip(), one.candidates) for name, one in zip(names, found, strict=True) if one.how == AMBIGUOUS]
    if not several:
        return
    name, candidates = several[0]
    shown = [shorten_path(path, table.parent) for path in candidates]
    cut = f" or {len(shown) - CANDIDATES_SHOWN:,} more" if len(shown) > CANDIDATES_SHOWN else ""
    more = f"; {len(several) - 1:,} more names likewise" if len(several) > 1 else ""
    folders = list(dict.fromkeys(split_path(path)[0] for path in candidates))
    choices = " or ".join(f"--images {quote(name_near(folder))}" for folder in folders[:2])
    raise DataError(
        f"{table}: {name} may be {' or '.join(shown[:CANDIDATES_SHOWN])}{cut}{more}",
        f"add {choices}" if len(folders) > 1 else "write the names with their endings in the table",
    )


def _refuse_merged(names: Sequence[str], found: Sequence[FoundFile], table: Path) -> None:
    """Refuse paths of different folders that would be one file: the folders tell them apart, and are not there."""
    origins: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for name, one in zip(names, found, strict=True):
        if one.removed:
            origins[one.path].setdefault(one.removed, name.strip())
    for path, first in origins.items():
        if len(first) > 1:
            some, other = list(first.values())[:2]
            raise DataError(
                f"{table}: {some} and {other} do not exist, and both would be {shorten_path(path, table.parent)}",
                "name the folder that has both: --images FOLDER",
            )


def shorten_path(path: str, folder: Path) -> str:
    """Return a path relative to a folder, where it lies below it."""
    return path.removeprefix(f"{folder}{os.sep}")


def name_near(folder: str) -> Path:
    """Return a folder as it is typed from the current one."""
    path = Path(folder)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

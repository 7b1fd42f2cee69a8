"""Which columns of a table hold the image, the label, the part and the group: by name, by content, or as told."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice
from sightx_cli.tables.column_names import (
    IDENTIFIER_NAMES,
    IMAGE_NAMES,
    LABEL_NAMES,
    LIKELY_LABEL_NAMES,
    PART_COLUMN_NAMES,
    list_names,
    names_owner,
    simplify,
)
from sightx_cli.tables.image_finder import MISSING, ImageFinder

if TYPE_CHECKING:
    import pandas as pd

NameParts = Callable[[Iterable[str]], Mapping[str, str]]
"""Tells which of some names are parts, and which part each is (see `data.layouts.part_names`)."""
LIKENESS = 0.8
"""How like a name must be to another to be a mistyped one: lable and label are, age and image are not."""
SAMPLE = 25
"""So many values of a column are looked up to see whether they are names of files."""
CANDIDATES_SHOWN = 4
WAYS = {
    "image names": "add --image-column NAME",
    "labels": "add --label-column NAME",
    "parts": "rename the column of the parts",
}
"""What a column may be assumed to hold, and how to change it."""


@dataclass(frozen=True)
class FoundColumn:
    """A column, and whether that was assumed: its name is neither the documented one nor given by the user."""

    name: str
    is_assumed: bool = False
    reason: str = ""
    """Why it was taken, where its name does not say it."""


def choose_image_column(table: pd.DataFrame, path: Path, given: str | None, finder: ImageFinder) -> FoundColumn:
    """Choose the column with the images: as told, by its name, or because its values are names of files.

    Raises: `DataError` where several may be it, or none.
    """
    if given is not None:
        return FoundColumn(find_given(table, path, given, "--image-column"))
    if documented := _find_documented(table, "image"):
        return FoundColumn(documented)
    names = list(table.columns)
    named = [name for name in names if simplify(name) in IMAGE_NAMES]
    if len(named) == 1:
        return FoundColumn(named[0], True)
    if any(name.lower().endswith(finder.endings) for name in names):
        raise DataError(
            f"{path} has no line with the names of its columns: the first is {list_names(names)}",
            "put a line with their names above it, such as image,label",
        )
    holding = list_holding(table, named or names, finder)
    if named:
        raise _refuse_several(path, "image", [*holding, *(name for name in named if name not in holding)])
    identifying = [name for name in names if simplify(name) in IDENTIFIER_NAMES]
    candidates = holding or identifying
    if len(candidates) > 1 and len([name for name in candidates if name in identifying]) == 1:
        candidates = [name for name in candidates if name in identifying]
    if len(candidates) > 1:
        raise _refuse_several(path, "image", candidates)
    if not candidates:
        near = difflib.get_close_matches("image", names, 1, LIKENESS)
        raise DataError(
            f"{path} has no column 'image'; its columns are {list_names(names)}",
            f"add --image-column {quote((near or ['NAME'])[0])}: the column that names the files",
        )
    return FoundColumn(candidates[0], True, "its values are names of files" if holding else "")


def choose_label_column(table: pd.DataFrame, path: Path, taken: Collection[str]) -> FoundColumn | None:
    """Choose the column with the labels by its name; None where no name says so. `taken` are columns of other use.

    Raises: `DataError` where several may be it.
    """
    if documented := _find_documented(table, "label"):
        return FoundColumn(documented)
    for names in (LABEL_NAMES, LIKELY_LABEL_NAMES):
        candidates = [name for name in table.columns if name not in taken and simplify(name) in names]
        if len(candidates) > 1:
            raise _refuse_several(path, "label", candidates)
        if candidates:
            return FoundColumn(candidates[0], True)
    return None


def choose_part_column(table: pd.DataFrame, path: Path, name_parts: NameParts) -> FoundColumn | None:
    """Choose the column with the parts: `split`, or one whose name may mean it and whose values are names of parts.

    Raises: `DataError` where several may be it.
    """
    if documented := _find_documented(table, "split"):
        return FoundColumn(documented)
    candidates = [
        name for name in table.columns if simplify(name) in PART_COLUMN_NAMES and _holds_parts(table[name], name_parts)
    ]
    if len(candidates) > 1:
        raise DataError(
            f"{path}: {' and '.join(candidates)} may each say which part an image is in",
            f"rename the right one, such as {candidates[0]!r}, to split",
        )
    return FoundColumn(candidates[0], True) if candidates else None


def suggest_parts(table: pd.DataFrame, path: Path, name_parts: NameParts) -> Notice | None:
    """Say which column looks as if it named the parts, but for some of its values; None where none does."""
    for name in table.columns:
        if simplify(name) in PART_COLUMN_NAMES and not _holds_parts(table[name], name_parts):
            values = set(table[name].str.strip()) - {""}
            known = name_parts(values)
            if known and "train" in known.values():
                other = min(values - set(known))
                text = (
                    f"the column {name} of {path.name} is not used as parts, for it holds {other!r} beside "
                    f"{min(known)!r}: all rows may be trained on. If it says the parts, rename the column to split, "
                    "and its values to train, valid and test"
                )
                return Notice("possible-parts", text, len(table), warns=True)
    return None


def choose_group_column(table: pd.DataFrame) -> FoundColumn | None:
    """Choose the column with the groups: `group` and no other, for only the user knows what belongs together."""
    documented = _find_documented(table, "group")
    return FoundColumn(documented) if documented else None


def suggest_groups(
    table: pd.DataFrame, taken: Collection[str], path: Path, judges: bool = False, per: str | None = None
) -> Notice | None:
    """Say which column looks as if it named whose image each is, and what to type to use it; None where none does.

    `judges` says whether a finished model is judged on the images, which are not split then; `per` which column its
    answers are joined by.
    """
    for name in table.columns:
        if name in taken or not names_owner(name):
            continue
        values = table.loc[table[name].str.strip() != "", name]
        if 1 < values.nunique() < len(values):
            use = f"is used by --per {quote(name)} alone" if name == per else "is not used"
            why = (
                f"images of one {name} are no independent evidence, and the intervals per image take them for it"
                if judges
                else f"to keep images of one {name} on one side of the split"
            )
            text = (
                f"the column {name} of {path.name} looks like a group ({values.nunique():,} values in {len(values):,} "
                f"rows), and {use}: {why}{';' if judges else ','} add --group-by {quote(name)}"
            )
            return Notice("possible-groups", text, values.nunique(), warns=True)
    return None


def find_given(table: pd.DataFrame, path: Path, given: str, flag: str) -> str:
    """Find a column that the user named, in any case and with any signs; raises `DataError` where there is none."""
    if given in table.columns:
        return given
    alike = [name for name in table.columns if simplify(name) == simplify(given)]
    if len(alike) != 1:
        near = find_near(given, list(table.columns))
        raise DataError(
            f"{flag} {given}: {path} has no such column; its columns are {list_names(list(table.columns))}",
            f"type {flag} {quote(near)}" if near else f"name one of them: {flag} COLUMN",
        )
    return alike[0]


def find_near(given: str, columns: Sequence[str]) -> str:
    """Find the column that was probably meant: the same but for case and signs, else the nearest; "" where none is."""
    alike = [name for name in columns if simplify(name) == simplify(given)]
    return next(iter(alike or difflib.get_close_matches(given, columns, 1, 0.5)), "")


def describe_columns(path: Path, found: dict[str, FoundColumn | None]) -> Notice | None:
    """Say which columns were assumed to be what (see `WAYS`), and how to name others; None where none was."""
    assumed = [(what, one) for what, one in found.items() if one is not None and one.is_assumed]
    if not assumed:
        return None
    said = ", ".join(
        f"{what} from the column {one.name}{f' ({one.reason})' * bool(one.reason)}" for what, one in assumed
    )
    ways = ", ".join(WAYS[what] for what, _ in assumed)
    return Notice("columns", f"{path.name}: {said}; if that is wrong, {ways}", len(assumed))


def build_label_refusal(table: pd.DataFrame, path: Path, taken: Collection[str]) -> DataError:
    """Build the error for a table without a column of labels, with the column that may be meant."""
    left = [name for name in table.columns if name not in taken]
    near = difflib.get_close_matches("label", left, 1, LIKENESS)
    repeating = [name for name in left if 1 < table[name].nunique() <= max(len(table) // 2, 2)]
    likely = (near or repeating or ["NAME"])[0]
    return DataError(
        f"{path} has no column 'label'; its columns are {list_names(list(table.columns))}",
        f"add --label-column {quote(likely)}, or --label-by REGEX where the names of the files say it",
    )


def _find_documented(table: pd.DataFrame, name: str) -> str | None:
    """Find the column of the documented name: as it is, or in another case."""
    if name in table.columns:
        return name
    return next((column for column in table.columns if column.lower() == name), None)


def list_holding(table: pd.DataFrame, names: Sequence[str], finder: ImageFinder) -> list[str]:
    """List the columns whose values are names of files; those that are files as they stand, where there are any."""
    shares = {name: _measure_files(table[name], finder) for name in names}
    as_given = [name for name, (whole, _) in shares.items() if whole >= 0.5]
    return as_given or [name for name, (_, found) in shares.items() if found >= 0.5]


def _measure_files(cells: pd.Series[str], finder: ImageFinder) -> tuple[float, float]:
    """Measure which share of a sample are files as they stand, and which can be found at all.

    None of a column with few different values: a grade of 0 to 4 does not name 0.jpg to 4.jpg.
    """
    values = cells[cells.str.strip() != ""]
    if not len(values) or values.nunique() * 2 <= len(values):
        return 0.0, 0.0
    found = finder.find(values.iloc[:: max(len(values) // SAMPLE, 1)].tolist())
    return sum(not one.how for one in found) / len(found), sum(one.how != MISSING for one in found) / len(found)


def _holds_parts(cells: pd.Series[str], name_parts: NameParts) -> bool:
    values = set(cells.str.strip()) - {""}
    return bool(values) and set(name_parts(values)) == values


def _refuse_several(path: Path, what: str, candidates: Sequence[str]) -> DataError:
    flag = f"--{what}-column"
    return DataError(
        f"{path}: {len(candidates)} columns may hold the {what}s: {list_names(candidates)}",
        f"type {' or '.join(f'{flag} {quote(name)}' for name in candidates[:CANDIDATES_SHOWN])}",
    )

"""Splits images into train and valid: stratified by class or labels, seeded, and never with a group on both sides.

A group is what must stay together: all images of one patient, one part, one batch. A test part is never touched.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.cells import shield_cell
from sightx_cli.data.column_file import build_column, release_columns, working_on_tables
from sightx_cli.data.name_groups import find_names, name_files
from sightx_cli.data.text_columns import find_rows, list_repeated, list_texts, number_texts
from sightx_cli.errors import DataError, RunError, quote
from sightx_cli.tables.columns import find_near
from sightx_cli.task.stratification import Strata, divide_evenly, number_together

if TYPE_CHECKING:
    import pandas as pd

SPLIT_COLUMNS = ("image", "label", "split", "group", "fold", "digest")
PARTS = ("train", "valid", "test")
VALID = PARTS.index("valid")
ROWS_WRITTEN = 20_000
"""So many rows are text in memory while they are written."""
OWN_COLUMNS = (*SPLIT_COLUMNS, "path", "is_judged")
"""Those that a frame has of ours, whatever the user's table holds."""
NO_GROUPS = ("path", "image", "label", "split")
"""Columns that are none to group by."""


def split_manifest(
    frame: pd.DataFrame, seed: int, valid_fraction: float = 0.2, strata: Strata | None = None
) -> pd.DataFrame:
    """Fill the column `split`, so that every row is train, valid or test; returns a new frame.

    `strata` is what to stratify by, for each row, one stratum or labels (N, C); None for its label.

    A given valid part is kept, and every row without a part becomes train. Without one, `valid_fraction` of what is not
    test is held out, at least one image of every class; where groups are set, whole groups are held out, and the share
    is as near as the groups allow. Of several labels each has its share, as near as that can be. Rows with the same
    `digest`, if there is that column, stay together.

    Raises: `DataError` if `valid_fraction` is not between 0 and 1, or the groups leave a class with no training image.
    """
    if not 0 < valid_fraction < 1:
        raise DataError(f"the valid fraction is {valid_fraction}; it must be between 0 and 1")
    parts = np.zeros(len(frame), np.int8)  # the places in PARTS
    for place, given in enumerate(PARTS[1:], 1):
        parts[find_rows(frame["split"], (given,))] = place
    if not (parts == VALID).any():
        pool = parts == 0
        chosen = _choose_valid(frame, pool, seed, valid_fraction, strata)
        parts[np.flatnonzero(pool)[chosen]] = VALID
    return frame.assign(split=build_column((PARTS[part] for part in parts.tolist()), frame.index))


def _choose_valid(
    frame: pd.DataFrame, pool: NDArray[np.bool_], seed: int, fraction: float, strata: Strata | None
) -> np.ndarray[Any, Any]:
    """Choose the valid part among the images of the pool: their indices within it."""
    groups = _pick_rows(frame["group"], pool)
    digests = _pick_rows(frame["digest"], pool) if "digest" in frame.columns else [""] * len(groups)
    together = join_groups(groups, digests)
    named = strata if strata is not None and len(strata) else list_texts(frame["label"])
    labels = named if isinstance(named, np.ndarray) else np.array(named, dtype=object)
    labels = labels if pool.all() else labels[pool]
    if labels.ndim == 2:
        return _choose_by_labels(labels, together, seed, fraction)
    if (groups != "").any():
        return _choose_by_group(labels, np.array(together, dtype=object), seed, fraction)
    return _choose_copies_together(labels, together, seed, fraction)


def _pick_rows(column: pd.Series[str], is_picked: NDArray[np.bool_]) -> pd.Series[str]:
    """Return some rows of a column; of all rows no copy is made."""
    return column if is_picked.all() else column[is_picked]


def join_groups(groups: Sequence[str] | pd.Series[str], digests: Sequence[str] | pd.Series[str]) -> list[str]:
    """Merge what must stay together: images of one group, and images with the same bytes, which merge their groups.

    Both are in the order of the images, "" for none. Returns a name for each image: its group's, or that of the
    first group it is merged with, or a name for the bytes it shares; "" for an image on its own.
    """
    joined = join_linked(len(groups), chain(list_repeated(groups), list_repeated(digests)))
    group_of, digest_of = (texts if isinstance(texts, Sequence) else texts.array for texts in (groups, digests))
    grouped = np.flatnonzero(number_texts(groups) >= 0)
    grouped = grouped[np.unique(joined[grouped], return_index=True)[1]]  # the first of each that is joined
    names: dict[int, str] = {int(joined[place]): group_of[place] for place in grouped.tolist()}
    for first in np.flatnonzero(np.bincount(joined, minlength=1) > 1).tolist():
        names.setdefault(first, f"identical {digest_of[first][:12]}")
    return [names.get(first, "") for first in map(int, joined)]


def join_linked(count: int, links: Iterable[Sequence[int]]) -> NDArray[np.int32]:
    """Number what is linked, directly or through others: for each of `count` places the first that it is joined with.

    SciPy's connected components give the same, and take a sixth of a second to import.
    """
    leaders = array("i", range(count))  # a list of a million numbers takes 40 MB

    def find(place: int) -> int:
        while leaders[place] != place:
            leaders[place] = leaders[leaders[place]]
            place = leaders[place]
        return place

    for places in links:
        for place in places[1:]:
            one, other = find(places[0]), find(place)
            leaders[max(one, other)] = min(one, other)
    for place in range(count):
        leaders[place] = find(place)
    return np.frombuffer(leaders, np.int32)


def _choose_by_labels(
    labels: np.ndarray[Any, Any], together: Sequence[str], seed: int, fraction: float
) -> np.ndarray[Any, Any]:
    """Indices of the valid part, which holds each of several labels (N, C) in its share."""
    check_apart(together)
    return np.flatnonzero(divide_evenly(labels, together, (1 - fraction, fraction), seed) == 1)


def check_apart(together: Sequence[str]) -> None:
    """Raise DataError where all images stay together."""
    if len(set(together)) < 2 and together[0]:
        raise DataError(
            f"all {len(together)} training images belong to one group, {together[0]!r}; none can be set aside",
            "choose other groups with --group-by, or provide a valid part",
        )


def _choose_copies_together(
    labels: np.ndarray[Any, Any], together: Sequence[str], seed: int, fraction: float
) -> np.ndarray[Any, Any]:
    """Choose as if each set of copies were one image, with the rarest of its labels; the others follow it."""
    number_of = {label: number for number, label in enumerate(sorted(set(labels)))}
    codes = np.fromiter((number_of[label] for label in labels), np.int32, len(labels))
    counts = np.bincount(codes)
    first: dict[str, int] = {}
    for place, name in enumerate(together):
        if name and (name not in first or counts[codes[place]] < counts[codes[first[name]]]):
            first[name] = place
    is_standing = np.fromiter((not name for name in together), bool, len(together))
    is_standing[list(first.values())] = True
    stands = np.flatnonzero(is_standing)
    is_chosen = np.zeros(len(together), bool)
    is_chosen[stands[_choose_stratified(codes[stands], seed, fraction)]] = True
    names = {together[place] for place in np.flatnonzero(is_chosen).tolist()} - {""}
    return np.flatnonzero(is_chosen | np.fromiter((name in names for name in together), bool, len(together)))


def _choose_stratified(codes: NDArray[np.int32], seed: int, fraction: float) -> np.ndarray[Any, Any]:
    """Indices of the valid part: the fraction of each class, at least one image, but never its last training image."""
    generator = np.random.default_rng(seed)
    chosen = []
    for code in np.unique(codes):
        places = generator.permutation(np.flatnonzero(codes == code))
        count = min(max(1, round(len(places) * fraction)), len(places) - 1)
        chosen.append(places[:count])
    return np.sort(np.concatenate(chosen))


def _choose_by_group(
    labels: np.ndarray[Any, Any], groups: np.ndarray[Any, Any], seed: int, fraction: float
) -> np.ndarray[Any, Any]:
    """Indices of the valid part, a fold of scikit-learn's StratifiedGroupKFold; images without a group are single."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    alone = np.array([group or f"\0{place}" for place, group in enumerate(groups)], dtype=object)
    codes = number_together(groups.tolist())
    distinct = int(codes.max()) + 1
    check_apart(groups.tolist())
    folds = StratifiedGroupKFold(min(max(2, round(1 / fraction)), distinct), shuffle=True, random_state=seed)
    best: tuple[tuple[int, int, float], np.ndarray[Any, Any]] | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer images than folds: checked below
        for train, valid in folds.split(labels, labels.astype(str), codes):
            lost = len(set(labels) - set(labels[train]))
            missing = len(set(labels) - set(labels[valid]))
            judged = (lost, missing, abs(len(valid) / len(labels) - fraction))
            if len(valid) and (best is None or judged < best[0]):
                best = (judged, valid)
    if best is None or best[0][0]:
        lonely = sorted(label for label in set(labels) if len(set(alone[labels == label])) == 1)
        named = ", ".join(map(repr, lonely)) or "a class"
        raise DataError(
            f"no split that keeps groups together leaves training images of every class: {named} "
            "has all its images in one group",
            "check the groups made by --group-by, or provide a valid part",
        )
    return best[1]


def assign_groups(frame: pd.DataFrame, group_by: str | None, flag: str = "--group-by") -> pd.DataFrame:
    """Fill the column `group` from a column of that name, else by a regular expression on the file name.

    An entirely empty column does not count. The expression's first parenthesis is the group, else the whole
    match; a name that does not match is a group of its own, marked by an empty string. Returns a new frame; with None
    the frame unchanged. `flag` is the option that said it.

    Raises: `DataError` for an expression that is invalid, or that matches no file name.
    """
    if group_by is None:
        return frame
    result = frame.copy()
    if (column := find_group_column(frame, group_by)) is not None:
        result["group"] = frame[column].astype(str)
        return result
    group_by = _name_column(frame, group_by)
    own = group_by in frame.columns and group_by not in NO_GROUPS
    columns = [name for name in frame.columns if name not in OWN_COLUMNS]
    choices = f"the table's columns are {', '.join(columns)}" if columns else "the images have no other columns"
    try:
        re.compile(group_by)
    except re.error as error:
        raise DataError(
            f"{flag} {quote(group_by)} is neither a column nor a regular expression ({error}); {choices}",
            rf"for names such as person12_3.png type {flag} 'person\d+'",
        ) from error
    names = name_files(frame["image"])
    result["group"] = find_names(group_by, names)
    if not (result["group"] != "").any():
        found = "this column is empty" if own else "there is no such column"
        if not own and group_by in frame.columns:
            found = "this column is not one to group by"
        near = find_near(group_by, columns)
        raise DataError(
            f"{flag} {quote(group_by)}: {found}, and as an expression it matches none of the {len(names):,} file names "
            f"(the first is {names[0] if names else 'missing'!r}); {choices}",
            f"type {flag} {quote(near)}" if near else rf"for names such as person12_3.png type {flag} 'person\d+'",
        )
    return result


def find_group_column(frame: pd.DataFrame, group_by: str) -> str | None:
    """Find the column that is meant, unless it is entirely empty; None where it is an expression, if anything."""
    column = _name_column(frame, group_by)
    if column in NO_GROUPS or column not in frame.columns:
        return None
    return column if (frame[column] != "").any() else None  # every frame has a column group, which may be empty


def _name_column(frame: pd.DataFrame, group_by: str) -> str:
    if group_by in ("digest", "is_judged") and f"{group_by}_given" in frame.columns:
        return f"{group_by}_given"  # a column of the user's that bears a name of ours
    return group_by


@working_on_tables()
def write_split(frame: pd.DataFrame, path: str | Path) -> None:
    """Write image, label, split, group, fold and digest as CSV, completely or not at all.

    `fold` is empty without folds; the digest of a file's bytes tells an image again, wherever it lies and whatever
    it is called.

    Raises: `RunError` if the file cannot be written, for example because the disk is full.
    """
    target = Path(path)
    table = frame.assign(**{name: "" for name in ("fold", "digest") if name not in frame.columns})
    unfinished = target.with_name(f".{target.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            for start in range(0, max(len(table), 1), ROWS_WRITTEN):
                rows = table.iloc[start : start + ROWS_WRITTEN].loc[:, list(SPLIT_COLUMNS)]
                rows.map(shield_cell).to_csv(file, index=False, header=start == 0)
                release_columns()
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise RunError(
            f"cannot write {target}: {error.strerror or error}", "free some space, or choose another --out"
        ) from error

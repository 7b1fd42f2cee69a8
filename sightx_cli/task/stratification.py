"""Parts and folds that hold each label in its share, where an image may have several: iterative stratification.

Sechidis, Tsoumakas & Vlahavas 2011, "On the Stratification of Multi-Label Data" (doi 10.1007/978-3-642-23808-6_10):
the label with the fewest images left is divided first, each of its images going to the part that lacks that label most.
What must stay together, as the images of a patient, is one unit here, with the sums of its labels; units that have most
of the label go first, for small ones can still even out what they leave. "No label" counts as one more label, and so
does each set of labels where there are few of them: of many sets, each would leave less to even out the labels with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Strata = Sequence[str] | NDArray[np.int64]
"""What is divided evenly: the name of each image's stratum, or the labels (N, C), 0 or 1, that it has."""

FEW_SETS = 2
"""Sets of labels are divided evenly too where there are at most so many for each label."""


def divide_evenly(
    labels: NDArray[np.int64], together: Sequence[str], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Divide images with labels (N, C), 0 or 1, into parts of these shares: the number of each image's part, (N,).

    `together` names what stays in one part, "" for an image on its own. The largest part has every label, and so have
    the others where the units allow.
    """
    units = number_together(together)
    sums, sizes = _sum_units(np.column_stack([labels, _mark_sets(labels, round(1 / min(shares)))]), units)
    generator = np.random.default_rng(seed)
    order, part_of = generator.permutation(len(sums)), np.full(len(sums), -1)
    wanted = np.array([_share_label(sums[:, place], shares) for place in range(sums.shape[1])]).T
    room = sizes.sum() * np.asarray(shares, float)
    left = sums.sum(axis=0).astype(float)
    while (left > 0).any():
        label = int(np.where(left > 0, left, np.inf).argmin())
        waiting = order[(part_of[order] < 0) & (sums[order, label] > 0)]
        for unit in waiting[np.argsort(-sums[waiting, label], kind="stable")].tolist():
            part = _choose_part(wanted[:, label], room)
            part_of[unit] = part
            wanted[part] -= sums[unit]
            room[part] -= sizes[unit]
            left -= sums[unit]
    _spread_labels(sums, part_of, np.argsort(-np.asarray(shares, float), kind="stable").tolist())
    return np.asarray(part_of[units])


def assign_strata(strata: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Assign each image a fold from 0 on, (N,), so that each stratum (N,) is divided evenly.

    The folds are those of scikit-learn's `StratifiedKFold(folds, shuffle=True, random_state=seed)`, which takes half a
    second to import. At least one stratum has as many images as there are folds.
    """
    _, first, found = np.unique(strata, return_index=True, return_inverse=True)
    codes = np.argsort(np.argsort(first))[found.reshape(-1)]  # the strata in the order in which they come
    ordered, generator = np.sort(codes), np.random.RandomState(seed)
    counts = np.array([np.bincount(ordered[fold::folds], minlength=len(first)) for fold in range(folds)])
    fold_of = np.empty(len(codes), np.int64)
    for stratum in range(len(first)):
        its = np.arange(folds).repeat(counts[:, stratum])
        generator.shuffle(its)
        fold_of[codes == stratum] = its
    return fold_of


def number_strata(strata: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number one stratum for each image, (N,): of labels (N, C) the rarest of an image, "no label" being one too.

    That suffices for a sample in which no rare label is to be missing. Numbers (N,) stay as they are.
    """
    if strata.ndim == 1:
        return strata
    order = np.argsort(strata.sum(axis=0), kind="stable")
    ranked = np.column_stack([strata[:, order], np.ones(len(strata), np.int64)])
    return np.asarray(ranked.argmax(axis=1))


def number_together(together: Sequence[str]) -> NDArray[np.int64]:
    """Number what stays together, (N,): each name, and each image without one.

    In the order in which they come, and not by name: a patient's pseudonym differs from machine to machine.
    """
    numbers: dict[str, int] = {}
    found, count = np.empty(len(together), np.int64), 0
    for place, name in enumerate(together):
        number = numbers.setdefault(name, count) if name else count
        found[place], count = number, count + (number == count)
    return found


def _mark_sets(labels: NDArray[np.int64], fewest: int) -> NDArray[np.int64]:
    """Mark the images without a label, and of few sets of labels that `fewest` images have, who has which: (N, S)."""
    packed, none = np.packbits(labels.astype(bool), axis=1), labels.sum(axis=1, keepdims=True) == 0
    _, sets, counts = np.unique(packed[~none[:, 0]], axis=0, return_inverse=True, return_counts=True)
    frequent = np.flatnonzero(counts >= fewest)
    marks = np.zeros((len(labels), len(frequent) if len(frequent) <= FEW_SETS * labels.shape[1] else 0), np.int64)
    marks[~none[:, 0]] = sets.reshape(-1, 1) == frequent[: marks.shape[1]]
    return np.column_stack([none, marks])


def _sum_units(rows: NDArray[np.int64], units: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum the rows (N, C) of each unit, (U, C); also count its images, (U,)."""
    sizes = np.bincount(units)
    sums = np.zeros((len(sizes), rows.shape[1]), np.int64)
    np.add.at(sums, units, rows)
    return sums, sizes


def _share_label(sums: NDArray[np.int64], shares: Sequence[float]) -> NDArray[np.float64]:
    """Say how many images of a label each part should have: its share, but enough for its rarest unit."""
    total, having = float(sums.sum()), sums[sums > 0]
    wanted = total * np.asarray(shares, float)
    if len(having) < len(shares):
        return wanted
    least = float(having.min())
    lacking = wanted < least
    wanted[lacking] = least
    rest = total - least * lacking.sum()
    wanted[~lacking] *= max(rest, 0.0) / max(wanted[~lacking].sum(), 1e-9)
    return wanted


def _choose_part(wanted: NDArray[np.float64], room: NDArray[np.float64]) -> int:
    """Choose the part that lacks a label most; of several, the one with most room."""
    best = np.flatnonzero(wanted >= wanted.max() - 1e-9)
    return int(best[room[best].argmax()])


def _spread_labels(sums: NDArray[np.int64], part_of: NDArray[np.int64], parts: Sequence[int]) -> None:
    """Move single units so that no part lacks a label that another can spare; the first of the parts gets all labels.

    A label that is rare goes where the rarer ones of the same images went, which may be all to one part.
    """
    for rank, part in enumerate(parts):
        for label in np.argsort((sums > 0).sum(axis=0), kind="stable").tolist():
            having = np.flatnonzero(sums[:, label] > 0)
            if not len(having) or (part_of[having] == part).any():
                continue
            for unit in having[np.argsort(sums[having].sum(axis=1), kind="stable")].tolist():
                others = (part_of == part_of[unit]) & (np.arange(len(part_of)) != unit)
                keeps = (sums[others][:, sums[unit] > 0] > 0).any(axis=0).all()
                if keeps or rank == 0:
                    part_of[unit] = part
                    break

"""Where a model fails: the figures of the images of each site, device, sex, or whatever a column says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.folders import natural_key
from sightx_cli.data.spellings import unify_spellings
from sightx_cli.data.splits import assign_groups
from sightx_cli.errors import quote
from sightx_cli.evaluation.part_figures import measure_part
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.evaluate import Subgroup, Subgroups
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

FEWEST_IMAGES = 30
"""Of fewer images a subgroup is shown with its interval, and not ranked: the interval of a share of 30 images is 0.2 to
0.35 wide, so that which is worst would mostly be chance."""
MOST_VALUES = 30
"""As many subgroups of a column are measured, those with the most images."""
BANDS = 4
NOT_GIVEN = "not given"


def measure_subgroups(
    task: Task, frame: pd.DataFrame, probabilities: NDArray[np.float32], columns: Sequence[str], listener: Listener
) -> tuple[Subgroups, ...]:
    """Measure the figures of each value of some columns; numbers with many values are read in quarters.

    A name that is no column is a regular expression over the file names (see `assign_groups`, and what it raises).
    """
    return tuple(_measure_column(task, frame, probabilities, column, listener) for column in columns)


def _measure_column(
    task: Task, frame: pd.DataFrame, probabilities: NDArray[np.float32], column: str, listener: Listener
) -> Subgroups:
    values = read_values(frame, column, listener)
    counts = Counter(values)
    if len(counts) > MOST_VALUES and len(counts) > len(values) / 2:
        text = f"{column} has {len(counts):,} values for {len(values):,} images: it tells images apart, not subgroups"
        listener.notice(Notice("subgroups", text, len(counts), warns=True))
        return Subgroups(column, ())
    names = sorted(counts, key=lambda name: (name == NOT_GIVEN, natural_key(name)))
    if len(names) > MOST_VALUES:
        names = [name for name, _ in counts.most_common(MOST_VALUES)]
        rest = len(counts) - MOST_VALUES
        text = f"the {MOST_VALUES} largest of {len(counts):,} values of {column} are measured, not the other {rest:,}"
        listener.notice(Notice("subgroups", text, rest, warns=True))
    found = np.array(values, dtype=object)
    groups = []
    for name in names:
        here = found == name
        figures = measure_part(task, frame[here], probabilities[here], int(here.sum()))
        groups.append(Subgroup(name, figures, len(frame[here]) < FEWEST_IMAGES))
    worst = find_lowest(groups, task.headline.name)
    return Subgroups(column, tuple(replace(one, is_worst=one is worst) for one in groups))


def read_values(frame: pd.DataFrame, column: str, listener: Listener) -> list[str]:
    """Return the value of each image; of many numbers or dates, the quarter of the images that it lies in.

    Values that differ only by case, blanks or Unicode form are one, as labels are, which is said.
    """
    written = assign_groups(frame, column, "--by")["group"].tolist()
    spelled, notices = unify_spellings(written, f"--by {quote(column)}", "value")
    for notice in notices:
        listener.notice(notice)
    values = [value or NOT_GIVEN for value in spelled]
    given = [value for value in values if value != NOT_GIVEN]
    numbers = _read_numbers(given)
    if numbers is None or len(set(given)) <= 2 * BANDS:
        return values
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BANDS + 1)[1:-1]))
    band = np.searchsorted(edges, numbers, side="left")
    names = {}
    for one in np.unique(band):
        places = np.flatnonzero(band == one)
        low, high = (given[places[pick(numbers[places])]] for pick in (np.argmin, np.argmax))
        names[one] = low if low == high else f"{low} to {high}"
    banded = iter([names[one] for one in band])
    return [value if value == NOT_GIVEN else next(banded) for value in values]


def _read_numbers(values: Sequence[str]) -> NDArray[np.float64] | None:
    """Read values as numbers, or dates such as 2024-03-31 as days; None where one is neither."""
    for read in (float, lambda value: date.fromisoformat(value[:10]).toordinal()):
        try:
            numbers = np.array([read(value) for value in values], dtype=np.float64)
        except ValueError:
            continue
        return numbers if np.isfinite(numbers).all() else None
    return None


def find_lowest(groups: Sequence[Subgroup], metric: str) -> Subgroup | None:
    """Find the subgroup with the lowest figure among those that are large enough; None of fewer than two."""
    ranked = [one for one in groups if not one.is_small and one.figures.metrics.get(metric) is not None]
    if len(ranked) < 2:
        return None
    return min(ranked, key=lambda one: one.figures.metrics[metric] or 0.0)

"""Classes of which valid or test has no image, so that its figures say nothing of them: said before anything trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sightx_cli.data.expression_groups import find_large_group
from sightx_cli.data.text_columns import count_texts, find_rows
from sightx_cli.progress import Notice
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

NAMED = 3
"""As many classes are named in a notice; the others are counted."""


def find_missing_classes(frame: pd.DataFrame, task: Task, is_valid_given: bool) -> list[Notice]:
    """Say which classes have no image in valid, and in test where there is one.

    `frame` has the columns label and split; a valid part that was made here lacks classes where whole groups are held
    out.
    """
    others = "another --seed chooses others"
    if (largest := find_large_group(frame)) is not None:
        others = f"one group, {largest[0]!r}, has {largest[1]:,} of {len(frame):,} images: check --group-by"
    again = {
        "valid": "--resplit splits train and valid again"
        if is_valid_given
        else f"whole groups are held out, and none of them has it; {others}",
        "test": "add images of it: a test part is never split again",
    }
    notices = []
    for part, advice in again.items():
        labels = [*count_texts(frame["label"], find_rows(frame["split"], (part,)))]
        missing = task.find_missing(task.number(labels)) if labels else []
        if not missing:
            continue
        present = [name for name in task.classes if name not in missing]
        only = f", only of {present[0]}" if len(present) == 1 else ""
        them = "it" if len(missing) == 1 else "them"
        text = f"{part} has no image of {join_names(missing)}{only}: its figures say nothing of {them}; {advice}"
        notices.append(Notice("missing-class", text, len(missing), warns=True))
    return notices


def join_names(names: Sequence[str]) -> str:
    """Name the first few of some classes, and count the others: ants, bees and 3 more."""
    shown = list(names[:NAMED])
    more = [f"{len(names) - NAMED:,} more"] if len(names) > NAMED else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last

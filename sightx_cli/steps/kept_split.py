"""The split of a fit that starts from an earlier run: images that it knew keep their part, only new ones are divided.

An image that the network was trained on would flatter every figure of a valid part that it moved to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.earlier_split import TRAIN
from sightx_cli.data.splits import join_groups, split_manifest
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener, Notice
from sightx_cli.steps.earlier_run import KIND, EarlierRun
from sightx_cli.task.stratification import divide_evenly

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.task.task import Task

VALID, TEST = "valid", "test"
VALID_SHARE = 0.2
"""Of the new images, as of all images where there is no earlier run (`data.splits.split_manifest`)."""


def keep_split(frame: pd.DataFrame, earlier: EarlierRun, task: Task, seed: int, listener: Listener) -> pd.DataFrame:
    """Give every image its part: the one that it had, that of its group or copies, or, if it is new, its share.

    `frame` has no valid part of its own; a test part in it stays. Raises DataError where no image is left to validate
    on.
    """
    given, known = frame["split"].tolist(), earlier.known.list_parts(frame)
    # A part called test that was given comes before all; the run's own counts only where nothing else is given.
    parts = [
        TEST if own == TEST else then if then != TEST or own == "" else TRAIN
        for own, then in zip(given, known, strict=True)
    ]
    together = join_groups(frame["group"].tolist(), frame["digest"].tolist())
    follow_groups(parts, together, [TRAIN if is_trained else "" for is_trained in earlier.known.list_trained(frame)])
    new = np.array([part == "" for part in parts])
    if new.any():
        places = np.flatnonzero(new)
        divided = divide_new(frame[new], [together[place] for place in places], task, seed)
        for place, part in zip(places.tolist(), divided, strict=True):
            parts[place] = part
    if VALID not in parts:
        raise DataError(
            f"every image that could validate was trained on by {earlier.shown}: the figures would mean nothing",
            "add images that it has not seen, or give a valid part",
        )
    kept = sum(then == now for then, now in zip(known, parts, strict=True) if then)
    of_others = [part for part, then in zip(parts, known, strict=True) if not then]
    added = {name: of_others.count(name) for name in (TRAIN, VALID)}
    text = f"the split of {earlier.shown} is kept for {kept:,} images"
    if of_others:
        text += f"; of the others {added[TRAIN]:,} are added to train and {added[VALID]:,} to valid"
    listener.notice(Notice(KIND, text, kept))
    return frame.assign(split=parts)


def follow_groups(parts: list[str], together: list[str], trained: list[str]) -> None:
    """Let images without a part follow what stays together with them: train, if any of that was trained on."""
    of_group: dict[str, str] = {}
    for part, name, was_trained in zip(parts, together, trained, strict=True):
        found = was_trained or part
        if name and found in (TRAIN, VALID) and of_group.get(name) != TRAIN:
            of_group[name] = found
    for place, name in enumerate(together):
        if parts[place] == "":
            parts[place] = of_group.get(name, "")


def divide_new(rows: pd.DataFrame, together: list[str], task: Task, seed: int) -> list[str]:
    """Divide new images into train and valid as a fit without an earlier run does, whole groups on one side."""
    strata = task.stratify(rows["label"].tolist())
    if isinstance(strata, np.ndarray) or any(rows["group"]):
        labels = strata if isinstance(strata, np.ndarray) else mark_names(strata)
        part_of = divide_evenly(labels, together, (1 - VALID_SHARE, VALID_SHARE), seed)
        return [VALID if part else TRAIN for part in part_of.tolist()]
    divided = split_manifest(rows.assign(split="").reset_index(drop=True), seed, VALID_SHARE, strata)
    return list(map(str, divided["split"]))


def mark_names(names: Sequence[str]) -> NDArray[np.int64]:
    """Mark which of the distinct names each image has: (N, distinct names), 0 or 1."""
    distinct = np.array(sorted(set(names)), dtype=object)
    return np.asarray(np.array(names, dtype=object)[:, None] == distinct, np.int64)


def say_trained(frame: pd.DataFrame, earlier: EarlierRun, allowed: bool, listener: Listener) -> None:
    """Warn where images held out by the given split, or of their groups, are among those the run was trained on."""
    trained = np.array(earlier.known.list_trained(frame))
    for part in (VALID, TEST):
        held_out = (frame["split"] == part).to_numpy()
        count = int((trained & held_out).sum())
        if not count:
            continue
        images = f"{count:,} of the {held_out.sum():,} images in {part}"
        found = f"{earlier.shown} was trained on {images}, or on others of their groups"
        if allowed:
            listener.notice(Notice("leak", f"leaks allowed: {found}", count))
            continue
        undo = "--resplit keeps its own split" if part == VALID else "leave them out with --exclude FILE"
        text = f"leak: {found}, so the figures of {part} look better than they will be; {undo}"
        listener.notice(Notice("leak", text, count, warns=True))

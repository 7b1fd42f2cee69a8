"""Which of the images a model is judged on its fit has seen: of those, figures say little about new images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.evaluate import TrainedGroups

if TYPE_CHECKING:
    import pandas as pd

KIND, VALIDATED, GROUPS = "trained-on", "validated-on", "trained-groups"
NAMED = 3
"""The most groups that a notice names."""


@dataclass(frozen=True)
class KnownImages:
    """How many images a run has seen, by the digests of their bytes, and others of the same groups."""

    trained: int | None = None
    """The model learned from them; None where the run has no list of its images to tell."""
    validated: int | None = None
    """Its best epoch, and perhaps its threshold, were chosen on them; None as above."""
    groups: TrainedGroups | None = None
    """Those whose group it learned from too; None where there is nothing to compare."""


def count_known_images(
    run: Path, digests: Sequence[str], groups: Mapping[str, Sequence[str]], listener: Listener
) -> KnownImages:
    """Count the images that a run has seen, and say how many its model learned from, and how many it was judged on.

    Others of the same patient are as telling, so the groups of these images, by each column or expression that says
    some, are held against those that the model learned from, as they are written. A run without its list of
    images, as a copied bundle, cannot tell, which is said too.
    """
    path = run / runs.SPLIT
    try:
        frame = read_table(path).frame
        known = _list_trained_groups(frame)
        parts = {part: set(frame.loc[frame["split"] == part, "digest"]) - {""} for part in ("train", "valid")}
        if (run / runs.EARLIER).exists():  # of the runs that it started from
            before = read_table(run / runs.EARLIER).frame
            parts["train"] |= set(before.loc[before["split"] == "train", "digest"]) - {""}
            known |= _list_trained_groups(before)
    except (DataError, KeyError):
        text = f"whether the model was trained on some of these images is not known: {path} is not there, or is older"
        listener.notice(Notice(KIND, text))
        return KnownImages()
    trained, validated = (sum(digest in seen for digest in digests) for seen in parts.values())
    if trained:
        text = (
            f"the model was trained on {trained:,} of these {len(digests):,} images, byte for byte: on them it looks "
            "better than it is. Judge it on images that it has not seen"
        )
        listener.notice(Notice(KIND, text, trained, warns=True))
    if validated:
        text = (
            f"{validated:,} of these {len(digests):,} images are the model's own validation images, byte for byte: "
            "the fit chose and calibrated on them, so the figures are a little flattered"
        )
        listener.notice(Notice(VALIDATED, text, validated))
    shared = _compare_groups(known, groups)
    if shared is not None and shared.images:
        listener.notice(_describe_groups(shared, len(digests)))
    return KnownImages(trained, validated, shared)


def _list_trained_groups(frame: pd.DataFrame) -> set[str]:
    if "group" not in frame.columns:
        return set()
    return set(frame.loc[frame["split"] == "train", "group"]) - {""}


def _compare_groups(known: set[str], groups: Mapping[str, Sequence[str]]) -> TrainedGroups | None:
    """Compare what images belong to with what a model learned from: by what most images have in common with it."""
    given = {by: values for by, values in groups.items() if any(values)}
    if not known or not given:
        return None
    shared = [(by, [value for value in values if value in known]) for by, values in given.items()]
    by, found = max(shared, key=lambda one: len(one[1]))
    return TrainedGroups(by, len(found), tuple(dict.fromkeys(found)))


def _describe_groups(shared: TrainedGroups, images: int) -> Notice:
    named = ", ".join([*shared.groups[:NAMED], *(["…"] if len(shared.groups) > NAMED else [])])
    by = "" if shared.by == "group" else f" by {shared.by}"
    text = (
        f"{shared.images:,} of these {images:,} images {'have' if shared.images != 1 else 'has'} a group{by} ({named}) "
        "that the training part has too: if these are the same patients, or parts, the figures look better than they "
        "will be"
    )
    return Notice(GROUPS, text, shared.images, warns=True)

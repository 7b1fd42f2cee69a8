"""Finds what a given split has on both sides: identical files and groups (patients, parts).

A model can recognise what it has seen in training: such images make its figures look better than they will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sightx_cli.results.inspect import Guess
from sightx_cli.results.leaks import Leaks, PartLeak

if TYPE_CHECKING:
    import pandas as pd

PARTS = (("valid", "train"), ("test", "train"), ("test", "valid"))
"""The pairs of parts that must have nothing in common; the first of each is held out."""


def find_leaks(frame: pd.DataFrame, digests: Sequence[str], groups: Sequence[str], guess: Guess | None = None) -> Leaks:
    """Find what the parts of `frame` (column `split`, "" counts as train) have in common.

    `digests` and `groups` ("" for none) belong to its rows; `guess` is what suggested the groups, if anything did.
    """
    parts = frame["split"].replace("", "train").tolist()
    found = []
    for part, other in PARTS:
        leak = PartLeak(
            part,
            other,
            files=_count_shared(parts, digests, part, other)[1],
            groups=_count_shared(parts, groups, part, other)[0],
            groups_in_part=len({group for group, where in zip(groups, parts, strict=True) if group and where == part}),
            images=_count_shared(parts, groups, part, other)[1],
        )
        if leak.files or leak.groups:
            found.append(leak)
    return Leaks(tuple(found), guess.expression if guess else None, basis=guess.basis if guess else "")


def _count_shared(parts: Sequence[str], keys: Sequence[str], part: str, other: str) -> tuple[int, int]:
    """Count the keys that both parts have, and the images of `part` with one of them."""
    there: set[Any] = {key for key, where in zip(keys, parts, strict=True) if key and where == other}
    here = [key for key, where in zip(keys, parts, strict=True) if key and where == part and key in there]
    return len(set(here)), len(here)

"""Finds what a given split has on both sides: identical files and groups (patients, parts).

A model can recognise what it has seen in training: such images make its figures look better than they will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.text_columns import number_texts
from sightx_cli.results.inspect import Guess
from sightx_cli.results.leaks import Leaks, PartLeak

if TYPE_CHECKING:
    import pandas as pd

PARTS = (("valid", "train"), ("test", "train"), ("test", "valid"))
"""The pairs of parts that must have nothing in common; the first of each is held out."""


def find_leaks(
    frame: pd.DataFrame,
    digests: Sequence[str] | pd.Series[str],
    groups: Sequence[str] | pd.Series[str],
    guess: Guess | None = None,
) -> Leaks:
    """Find what the parts of `frame` (column `split`, "" counts as train) have in common.

    `digests` and `groups` ("" for none) belong to its rows; `guess` is what suggested the groups, if anything did.
    """
    parts = frame["split"].replace("", "train").to_numpy(dtype=object)
    files, members = number_texts(digests), number_texts(groups)
    found = []
    for part, other in PARTS:
        leak = PartLeak(
            part,
            other,
            files=_count_shared(parts, files, part, other)[1],
            groups=_count_shared(parts, members, part, other)[0],
            groups_in_part=len(np.unique(members[(parts == part) & (members >= 0)])),
            images=_count_shared(parts, members, part, other)[1],
        )
        if leak.files or leak.groups:
            found.append(leak)
    return Leaks(tuple(found), guess.expression if guess else None, basis=guess.basis if guess else "")


def _count_shared(parts: NDArray[np.object_], keys: NDArray[np.int32], part: str, other: str) -> tuple[int, int]:
    """Count the keys (−1: none) that both parts have, and the images of `part` with one of them."""
    there = np.unique(keys[(parts == other) & (keys >= 0)])
    here = keys[(parts == part) & np.isin(keys, there)]
    return len(np.unique(here)), len(here)

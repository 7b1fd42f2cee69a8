"""Photographs that a data set holds more than once, in words: copies that count twice, and labels that contradict.

`inspect` finds all of them; `fit`, which trains on them nevertheless, says what it met on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sightx_cli.data.text_columns import list_repeated
from sightx_cli.errors import quote
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd
    from pandas.api.extensions import ExtensionArray

CONTRADICTING, COPIES = "contradicting-labels", "copies"


def find_same_bytes(digests: Sequence[str] | pd.Series[str]) -> list[list[int]]:
    """Return the positions of the files with the same bytes, for each content that two or more have."""
    return list(list_repeated(digests))


def describe_repeats(
    groups: Sequence[Sequence[int]],
    images: Sequence[str] | ExtensionArray,
    labels: Sequence[str],
    source: object,
    same: str,
) -> list[Notice]:
    """Say how many photographs are there more than once, and how many of them with different labels.

    `groups` holds the positions of the images that are the same, `same` says in which way ("identical files").
    """
    contradicting = [group for group in groups if len({labels[place] for place in group}) > 1]
    others = [group for group in groups if len({labels[place] for place in group}) == 1]
    out = f"sightx inspect {quote(source)} lists them for --exclude"
    found = []
    if contradicting:
        first = contradicting[0]
        pair = next(place for place in first if labels[place] != labels[first[0]])
        example = f"{images[first[0]]} is {labels[first[0]]}, {images[pair]} is {labels[pair]}"
        one = len(contradicting) == 1
        text = (
            f"{len(contradicting):,} photograph{' appears' if one else 's appear'} more than once with different "
            f"labels ({same}: {example}); {'one of them' if one else 'at least one of each'} is wrong, and all are "
            f"used as they are. {out}"
        )
        found.append(Notice(CONTRADICTING, text, len(contradicting), warns=True))
    if others:
        extra = sum(len(group) - 1 for group in others)
        text = (
            f"{len(others):,} duplicated photograph{'s' * (len(others) != 1)} ({same}, {extra:,} extra "
            f"cop{'y' if extra == 1 else 'ies'}): each copy counts. {out}"
        )
        found.append(Notice(COPIES, text, extra))
    return found

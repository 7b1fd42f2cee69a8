"""Photographs that a data set holds more than once, in words: copies that count twice, and labels that contradict.

`inspect` finds all of them; `fit`, which trains on them nevertheless, says what it met on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sightx_cli.errors import quote
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray

CONTRADICTING, COPIES = "contradicting-labels", "copies"


def describe_repeats(
    groups: Iterable[Sequence[int]],
    images: Sequence[str] | ExtensionArray,
    labels: Sequence[str],
    source: object,
    same: str,
) -> list[Notice]:
    """Say how many photographs are there more than once, and how many of them with different labels.

    `groups` holds the positions of the images that are the same, `same` says in which way ("identical files").
    """
    contradicting, copied, extra = 0, 0, 0
    first: Sequence[int] = ()
    for group in groups:
        if len({labels[place] for place in group}) > 1:
            contradicting, first = contradicting + 1, first or group
        else:
            copied, extra = copied + 1, extra + len(group) - 1
    out = f"sightx inspect {quote(source)} lists them for --exclude"
    found = []
    if contradicting:
        pair = next(place for place in first if labels[place] != labels[first[0]])
        example = f"{images[first[0]]} is {labels[first[0]]}, {images[pair]} is {labels[pair]}"
        one = contradicting == 1
        text = (
            f"{contradicting:,} photograph{' appears' if one else 's appear'} more than once with different "
            f"labels ({same}: {example}); {'one of them' if one else 'at least one of each'} is wrong, and all are "
            f"used as they are. {out}"
        )
        found.append(Notice(CONTRADICTING, text, contradicting, warns=True))
    if copied:
        text = (
            f"{copied:,} duplicated photograph{'s' * (copied != 1)} ({same}, {extra:,} extra "
            f"cop{'y' if extra == 1 else 'ies'}): each copy counts. {out}"
        )
        found.append(Notice(COPIES, text, extra))
    return found

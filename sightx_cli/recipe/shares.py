"""Shares of a network, such as "0-25%": the part of its leaf layers, by count, that a rate applies to.

A leaf layer is a module without children that has parameters, as counted by `train = "last:P%"`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

ALLOWED_SHARES = (
    '{ "0-50%" = …, "50-100%" = …, head = … }: shares of the layers from low to high, at most 100, that do not overlap'
)
_SHARE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)%")


@dataclass(frozen=True, order=True)
class LayerShare:
    """The layers from `low` to `high` percent of the network, earliest first, under the key that names them."""

    low: float
    high: float
    key: str

    def slice_layers(self, layers: int) -> slice:
        """Return the slice of this many layers.

        Counted from the end, as `last:P%` counts, so that "50-100%" is what `last:50%` trains.
        """
        first, last = (layers - math.floor((100 - p) / 100 * layers + 0.5) for p in (self.low, self.high))
        return slice(first, last)


def read_shares(keys: Iterable[str]) -> tuple[LayerShare, ...]:
    """Read the shares among the keys of a stage's rate, earliest first; none if no key has a percent sign.

    Raises:
        ValueError: a share is malformed or overlaps another, or another key is neither a share nor "head".
    """
    given = [key for key in keys if key != "head"]
    if not any("%" in key for key in given):
        return ()
    found = [(key, _SHARE.fullmatch(key)) for key in given]
    shares = sorted(LayerShare(float(match[1]), float(match[2]), key) for key, match in found if match)
    is_right = len(shares) == len(given) and all(one.low < one.high <= 100 for one in shares)
    if not is_right or any(one.high > other.low for one, other in pairwise(shares)):
        raise ValueError(ALLOWED_SHARES)
    return tuple(shares)


def cover_all(shares: Iterable[LayerShare]) -> bool:
    """Tell whether shares, earliest first, run from 0 to 100 percent without a gap."""
    ends = [0.0, *(end for share in shares for end in (share.low, share.high)), 100.0]
    return all(end == start for end, start in zip(ends[::2], ends[1::2], strict=True))

"""What a data set is, in numbers, from the headers of its files: the facts a plan is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.checks import Unreadable
from sightx_cli.data.decode import ImageFileError, measure_header
from sightx_cli.data.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Spread:
    """The smallest, middle and largest of a size in pixels."""

    min: int
    median: int
    max: int


@dataclass(frozen=True)
class Fingerprint:
    """The facts of a data set; all counts are of readable images.

    `imbalance_ratio` is the largest class over the smallest. `bits` is bits per channel; `modes` are Pillow's ("L" is
    grey, "RGB" colour). `groups` counts the distinct groups, 0 where none are set.
    """

    source_kind: str
    images: int
    parts: dict[str, int]
    classes: dict[str, int]
    ordered: bool
    imbalance_ratio: float
    groups: int
    width_px: Spread
    height_px: Spread
    modes: dict[str, int]
    bits: dict[str, int]
    formats: dict[str, int]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The fingerprint as plain dictionaries, lists and numbers."""
        return asdict(self)


def measure_fingerprint(
    manifest: Manifest, frame: pd.DataFrame, unreadable: Sequence[Unreadable], threads: int = 2
) -> Fingerprint:
    """Measure the facts of the readable images in `frame`, which came out of `manifest`; reads headers only.

    A file that has vanished since it was checked is left out of the sizes, not of the counts.
    """
    with ThreadPoolExecutor(threads) as pool:
        headers = [header for header in pool.map(_read_header, frame["path"], chunksize=64) if header is not None]
    widths, heights = [header[0] for header in headers], [header[1] for header in headers]
    counts = {label: int((frame["label"] == label).sum()) for label in manifest.classes}
    present = [count for count in counts.values() if count]
    groups = set(frame["group"]) - {""}
    return Fingerprint(
        source_kind=manifest.kind,
        images=len(frame),
        parts=_count(part or "undivided" for part in frame["split"]),
        classes=counts,
        ordered=manifest.ordered,
        imbalance_ratio=round(max(present) / min(present), 3) if present else 0.0,
        groups=len(groups),
        width_px=_measure_spread(widths),
        height_px=_measure_spread(heights),
        modes=_count(header[2] for header in headers),
        bits=_count(str(header[3]) for header in headers),
        formats=_count(header[4] for header in headers),
        unreadable=tuple(unreadable),
        notes=manifest.notes,
    )


def _read_header(path: str) -> tuple[int, int, str, int, str] | None:
    try:
        return measure_header(path)
    except ImageFileError:
        return None


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _measure_spread(sizes: Sequence[int]) -> Spread:
    if not sizes:
        return Spread(0, 0, 0)
    return Spread(min(sizes), int(np.median(sizes)), max(sizes))

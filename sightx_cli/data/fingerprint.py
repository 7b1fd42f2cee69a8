"""A data set in numbers, from the headers of its files: the facts a plan is based on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.checks import Unreadable
from sightx_cli.data.column_file import working_on_tables
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.readers import Header
from sightx_cli.data.text_columns import count_texts, find_trained
from sightx_cli.task.label_text import count_names, split_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Spread:
    """The minimum, median and maximum of a size in pixels."""

    min: int
    median: int
    max: int


@dataclass(frozen=True)
class AspectSpread:
    """The minimum, median and maximum of width ÷ height."""

    min: float
    median: float
    max: float


@dataclass(frozen=True)
class Fingerprint:
    """The facts of a data set; all counts are of readable images.

    `imbalance_ratio` is the largest class over the smallest, in images to train on: those of no valid or test part.
    Classes without such images do not count. Where an image may have several labels, it is that of the most uneven one:
    the images with it over those without, or the other way round. `labels_per_image` counts those with none, one and
    several; it is empty where every image has one. `bits` is bits per channel; `modes` are Pillow's ("L" is grey, "RGB"
    colour). `groups` counts the distinct groups, 0 if none are set.
    """

    source_kind: str
    images: int
    parts: dict[str, int]
    classes: dict[str, int]
    is_numbered: bool
    imbalance_ratio: float
    labels_per_image: dict[str, int]
    groups: int
    width_px: Spread
    height_px: Spread
    aspect: AspectSpread
    modes: dict[str, int]
    bits: dict[str, int]
    formats: dict[str, int]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The fingerprint as plain dictionaries, lists and numbers."""
        return asdict(self)

    def describe(self) -> list[tuple[str, str]]:
        """Return rows of (what, value) for display."""
        rows = [
            ("images", f"{self.images:,}"),
            ("parts", ", ".join(f"{part} {count:,}" for part, count in self.parts.items())),
            ("classes", f"{len(self.classes):,}" + ", numbered" * self.is_numbered),
            ("imbalance" + " in train" * ("train" in self.parts), self._describe_imbalance()),
            ("size", _describe_size(self.width_px, self.height_px)),
            ("shape", f"width ÷ height {_describe_range(self.aspect)}"),
            ("colour mode", _join(self.modes)),
            ("bits", _join(self.bits)),
            ("format", _join(self.formats)),
        ]
        if set(self.parts) == {"undivided"}:
            del rows[1]
        if self.labels_per_image:
            rows.append(
                (
                    "labels",
                    ", ".join(
                        f"{count:,} image{'s' * (count != 1)} with {how}"
                        for how, count in self.labels_per_image.items()
                    ),
                )
            )
        return rows + ([("groups", f"{self.groups:,}")] if self.groups else [])

    def _describe_imbalance(self) -> str:
        ratio = self.imbalance_ratio
        if round(ratio, 1) == 1:
            return "balanced"
        if self.labels_per_image:
            return f"{ratio:,.1f} to 1 with and without the most uneven label"
        return f"the largest class is {ratio:,.1f} times the smallest"


@working_on_tables()
def build_fingerprint(
    manifest: Manifest, frame: pd.DataFrame, unreadable: Sequence[Unreadable], headers: Sequence[Header]
) -> Fingerprint:
    """Build the fingerprint of the readable images in `frame` from the headers of their files."""
    widths, heights = (np.fromiter((header[side] for header in headers), np.int32, len(headers)) for side in (0, 1))
    separator = manifest.separator
    labels = count_texts(frame["label"])
    found = count_names(labels, separator)
    counts = {label: found[label] for label in manifest.classes}
    trained = count_texts(frame["label"], find_trained(frame["split"]))
    groups = set(frame["group"].unique()) - {""}
    return Fingerprint(
        source_kind=manifest.kind,
        images=len(frame),
        parts=_count({part or "undivided": images for part, images in count_texts(frame["split"]).items()}),
        classes=counts,
        is_numbered=manifest.is_numbered,
        imbalance_ratio=round(_measure_imbalance(trained, separator), 3),
        labels_per_image=_count_labels(labels, separator) if separator else {},
        groups=len(groups),
        width_px=_measure_spread(widths),
        height_px=_measure_spread(heights),
        aspect=_measure_aspect(widths, heights),
        modes=_count(header[2] for header in headers),
        bits=_count(str(header[3]) for header in headers),
        formats=_count(header[4] for header in headers),
        unreadable=tuple(unreadable),
        notes=manifest.notes,
    )


def _count(values: Iterable[str] | Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _count_labels(labels: Mapping[str, int], separator: str) -> dict[str, int]:
    """Count the images with none, one and several labels."""
    counts = dict.fromkeys(("none", "one", "several"), 0)
    for label, images in labels.items():
        counts[("none", "one", "several")[min(len(split_names(label, separator)), 2)]] += images
    return counts


def _measure_imbalance(labels: Mapping[str, int], separator: str) -> float:
    """Measure how unequal the classes of some images are (see `Fingerprint`); 0 without any."""
    counts, images = count_names(labels, separator).values(), sum(labels.values())
    if separator:
        return max((max(count, images - count) / max(min(count, images - count), 1) for count in counts), default=0.0)
    return max(counts) / min(counts) if counts else 0.0


def _describe_size(wide: Spread, high: Spread) -> str:
    if wide.min == wide.max and high.min == high.max:
        return f"{wide.min:,} × {high.min:,} px (all)"
    middle = f"{wide.median:,} × {high.median:,} px (median)"
    return f"{middle}, {wide.min:,} to {wide.max:,} px wide, {high.min:,} to {high.max:,} px high"


def _describe_range(aspect: AspectSpread) -> str:
    low, middle, high = (f"{value:.2f}" for value in (aspect.min, aspect.median, aspect.max))
    return low if low == high else f"{low} to {high}, median {middle}"


def _measure_spread(sizes: NDArray[np.int32]) -> Spread:
    if not len(sizes):
        return Spread(0, 0, 0)
    return Spread(int(sizes.min()), int(np.median(sizes)), int(sizes.max()))


def _measure_aspect(widths: NDArray[np.int32], heights: NDArray[np.int32]) -> AspectSpread:
    if not len(widths):
        return AspectSpread(0.0, 0.0, 0.0)
    aspects = widths / heights
    return AspectSpread(*(round(float(value), 3) for value in (aspects.min(), np.median(aspects), aspects.max())))


def _join(counts: dict[str, int]) -> str:
    return ", ".join(f"{value} ({count:,})" for value, count in counts.items())

"""The numbers by which a device cuts the views of a batch: worked out on the host, sent as one small table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sightx_cli.data.decoded_set import Located
from sightx_cli.data.view_cuts import Numbers, ViewCuts

SUPPORT = 2.0
"""Of Pillow's bicubic filter, in pixels of the coarser side."""
MARGIN = 3
"""Pixels around what a view shows that its edge pixels may be a sum of, and rounding."""
WHOLE_PX = 16
"""Sides of what is cut out of images are multiples of it, so that a few sizes of memory serve all batches."""


@dataclass(frozen=True)
class BatchShape:
    """What the host knows of a batch's views, so that no kernel is started for what none of them has."""

    width: int
    """Of what is cut out of each image as reduced, in pixels; `height` alike."""
    height: int
    is_grey: bool
    """Whether no image has colours."""
    is_slanted: bool
    is_enlarged: bool
    """Whether any slanted view needs the bicubic transform."""
    reductions: tuple[int, int]
    """The largest of any image, across and down."""
    changes_light: bool
    turns: tuple[str, ...]
    """Which of the three symmetries any view has, by their columns."""


TURNED = ("is_transposed", "is_mirrored", "is_upended")


def tabulate_views(images: Located, cuts: ViewCuts) -> tuple[Mapping[str, Numbers], BatchShape]:
    """Return what each view is cut by, (N,) float64 by name, and what is common to all."""
    table: dict[str, Numbers] = {
        "offset": images.offsets.astype(np.float64),
        "height": images.heights.astype(np.float64),
        "width": images.widths.astype(np.float64),
        "channels": images.channels.astype(np.float64),
        "level": images.levels,
        "brightness": cuts.lights[:, 0],
        "contrast": cuts.lights[:, 1],
        **dict(zip(TURNED, cuts.turns.T, strict=True)),
    }
    if cuts.slants is not None:
        reductions = cuts.slants.reductions
        table |= {
            "reduction_x": reductions[:, 0],
            "reduction_y": reductions[:, 1],
            "reduced_width": np.ceil(images.widths / reductions[:, 0]),
            "reduced_height": np.ceil(images.heights / reductions[:, 1]),
            "is_enlarged": cuts.slants.is_enlarged,
        }
        spans = _span_slants(cuts)
        ends = table["reduced_width"], table["reduced_height"]
    else:
        assert cuts.boxes is not None
        reductions = np.ones((len(cuts), 2))
        table |= {"reduction_x": reductions[:, 0], "reduction_y": reductions[:, 1]}
        names = ("box_left", "box_top", "box_right", "box_bottom", "x0", "y0", "x1", "y1")
        table |= dict(zip(names, np.hstack([cuts.boxes.boxes, cuts.boxes.squares]).T, strict=True))
        spans = _span_boxes(table)
        ends = table["width"], table["height"]
    sides = []
    for name, (first, last), end in zip(("left", "top"), spans, ends, strict=True):
        table[name] = np.clip(first, 0, end - 1)
        longest = max(1, int(np.max(np.clip(last, 1, end) - table[name])))
        sides.append(-(-longest // WHOLE_PX) * WHOLE_PX)
    if cuts.slants is not None:
        by_x, by_y, start, down_by_x, down_by_y, down_start = cuts.slants.matrices.T
        table |= {"x_by_x": by_x, "x_by_y": by_y, "x_start": start - table["left"]}
        table |= {"y_by_x": down_by_x, "y_by_y": down_by_y, "y_start": down_start - table["top"]}
    shape = BatchShape(
        width=sides[0],
        height=sides[1],
        is_grey=bool((images.channels == 1).all()),
        is_slanted=cuts.slants is not None,
        is_enlarged=cuts.slants is not None and bool(cuts.slants.is_enlarged.any()),
        reductions=(int(reductions[:, 0].max()), int(reductions[:, 1].max())),
        changes_light=bool(cuts.lights.any()),
        turns=tuple(name for name in TURNED if table[name].any()),
    )
    return table, shape


def _span_slants(cuts: ViewCuts) -> list[tuple[Numbers, Numbers]]:
    """Return the first and the last pixel, across and down, that rotated views may read of the reduced images."""
    assert cuts.slants is not None
    size_px, spans = cuts.size_px, []
    for along, over, start in (cuts.slants.matrices.T[:3], cuts.slants.matrices.T[3:]):
        corners = np.stack([start, start + along * size_px, start + over * size_px, start + (along + over) * size_px])
        spans.append((np.floor(corners.min(0)) - MARGIN, np.ceil(corners.max(0)) + MARGIN))
    return spans


def _span_boxes(table: Mapping[str, Numbers]) -> list[tuple[Numbers, Numbers]]:
    """Return the first and the last pixel, across and down, that resized views may read of the images."""
    spans = []
    for start, end, first, last in (("box_left", "box_right", "x0", "x1"), ("box_top", "box_bottom", "y0", "y1")):
        step = (table[end] - table[start]) / (table[last] - table[first])
        reach = MARGIN + np.ceil(SUPPORT * np.maximum(step, 1.0))
        spans.append((np.floor(table[start]) - reach, np.ceil(table[end]) + reach))
    return spans

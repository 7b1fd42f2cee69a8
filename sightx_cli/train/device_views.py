"""Augments a batch at a time on the device that trains, as `data.augmentation` does image by image with Pillow.

The same draws give the same view to within a level or two of 255, since each pixel is the same sum: Pillow's bicubic,
with its wider support where the image shrinks; where the view is rotated its bilinear affine transform of the image
reduced by a whole number (bicubic where it grows); and its rounding (Pillow's `Resample.c`, `Reduce.c`, `Geometry.c`).
Nothing here asks the device for a value, so that the host never waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sightx_cli.train.view_numbers import SUPPORT, BatchShape

RESIZED_CURVE = -0.5
"""The parameter a of Keys' cubic that Pillow resizes by; it transforms by a = -1."""
PIXELS_AT_A_TIME = 2**24
"""Of all images that are cut at a time: some 0.5 GB of places and levels, whatever the batch."""
TOLERANCE = 1e-3
"""Pillow's transform cuts fractions of a level off, and a sum that is whole may be a little less in float32."""


@dataclass(frozen=True)
class Source:
    """Decoded images on a device: the bytes of all, flat uint8, and the numbers of a batch's views (N,) each by name.

    The numbers are float64, so that places in more than 2^31 bytes are whole.
    """

    pixels: Tensor
    numbers: Mapping[str, Tensor]
    shape: BatchShape

    def part(self, start: int, end: int) -> Source:
        """Return some of the batch's views."""
        return replace(self, numbers={name: one[start:end] for name, one in self.numbers.items()})

    def column(self, name: str, dimensions: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return one number of each view, (N, 1, …)."""
        return self.numbers[name].to(dtype).view(-1, *[1] * (dimensions - 1))

    def whole(self, name: str, dimensions: int = 2) -> Tensor:
        """Return one whole number of each view, (N, 1, …) int64."""
        return self.column(name, dimensions, torch.int64)

    def count(self, places: int) -> Tensor:
        """Return 0, 1, … on the device, (1, places) float32."""
        return torch.arange(places, device=self.pixels.device, dtype=torch.float32).view(1, -1)


def cut_views(source: Source, size_px: int) -> Tensor:
    """Cut the batch's views: whole levels of 0 to 255 as float32, (N, 1 or 3, size_px, size_px)."""
    images, pixels = len(source.numbers["offset"]), max(source.shape.width * source.shape.height, size_px**2)
    step = max(1, PIXELS_AT_A_TIME // pixels)
    if step >= images:
        return _cut_some(source, size_px)
    return torch.cat([_cut_some(source.part(start, start + step), size_px) for start in range(0, images, step)])


def _cut_some(source: Source, size_px: int) -> Tensor:
    patches = gather_patches(source)
    if source.shape.is_slanted:
        lit = change_light(patches, source.column("level", 4), source) if source.shape.changes_light else patches
        views = sample_slanted(lit, source, size_px)
    else:
        views = resize_boxes(patches, source, size_px)
    return turn_views(views, source) if source.shape.turns else views


def gather_patches(source: Source) -> Tensor:
    """Cut a rectangle of one size out of each image as reduced: (N, 1 or 3, height, width) float32 levels."""
    shape = source.shape
    tops, lefts = source.whole("top"), source.whole("left")
    down, across = source.count(shape.height).long() + tops, source.count(shape.width).long() + lefts
    step_y, step_x = source.whole("reduction_y"), source.whole("reduction_x")
    if max(shape.reductions) == 1:
        return _gather(source, down, across)
    total: Tensor | float = 0.0
    weights: Tensor | float = 0.0
    for y in range(shape.reductions[1]):
        for x in range(shape.reductions[0]):
            rows, columns = down * step_y + y, across * step_x + x
            weigh_rows = ((y < step_y) & (rows < source.whole("height"))).float()
            weigh_columns = ((x < step_x) & (columns < source.whole("width"))).float()
            weight = weigh_rows[:, None, :, None] * weigh_columns[:, None, None, :]
            total = total + _gather(source, rows, columns) * weight
            weights = weights + weight
    assert isinstance(total, Tensor)
    assert isinstance(weights, Tensor)
    return (total / weights.clamp(min=1) + 0.5).floor()


def _gather(source: Source, rows: Tensor, columns: Tensor) -> Tensor:
    """Read rows (N, H) and columns (N, W) of the images, beyond their edges the nearest: (N, 1 or 3, H, W) float32."""
    channels, width = source.whole("channels"), source.whole("width")
    rows = torch.minimum(rows.clamp(min=0), source.whole("height") - 1)
    columns = torch.minimum(columns.clamp(min=0), width - 1)
    starts = source.whole("offset") + rows * width * channels
    places = starts[:, :, None] + (columns * channels)[:, None, :]
    last = (channels - 1).view(-1, 1, 1)
    colours = 1 if source.shape.is_grey else 3
    # A grey image among colours is read three times from its one channel.
    return torch.stack([source.pixels[places + last.clamp(max=one)].float() for one in range(colours)], 1)


def change_light(levels: Tensor, middle: Tensor, source: Source) -> Tensor:
    """Scale levels about their mean by 1 + contrast, then multiply by 1 + brightness; whole levels of 0 to 255."""
    contrast, brightness = source.column("contrast", 4), source.column("brightness", 4)
    return ((((levels - middle) * (1 + contrast) + middle) * (1 + brightness)) + 0.5).clamp(0, 255).floor()


def sample_slanted(patches: Tensor, source: Source, size_px: int) -> Tensor:
    """Cut rotated squares by an affine transform, black beyond the image: (N, C, size_px, size_px)."""
    steps = source.count(size_px) + 0.5
    x, y = (
        source.column(f"{axis}_by_x", 3) * steps[:, None, :]
        + source.column(f"{axis}_by_y", 3) * steps[:, :, None]
        + source.column(f"{axis}_start", 3)
        for axis in "xy"
    )
    first_x, first_y = -source.column("left", 3), -source.column("top", 3)
    end_x, end_y = (
        first + source.column(f"reduced_{one}", 3) for first, one in ((first_x, "width"), (first_y, "height"))
    )
    inside = (x >= first_x) & (x < end_x) & (y >= first_y) & (y < end_y)
    columns, weigh_columns = _list_taps(x, end_x, patches.shape[3], source)
    rows, weigh_rows = _list_taps(y, end_y, patches.shape[2], source)
    flat, (images, colours) = patches.flatten(2), patches.shape[:2]
    views = torch.zeros(images, colours, size_px * size_px, device=patches.device)
    for row, weigh_row in zip(rows, weigh_rows, strict=True):
        line = torch.zeros_like(views)
        for column, weigh_column in zip(columns, weigh_columns, strict=True):
            places = (row * patches.shape[3] + column).view(images, 1, -1).expand(-1, colours, -1)
            line = torch.addcmul(line, flat.gather(2, places), weigh_column.reshape(images, 1, -1))
        views = torch.addcmul(views, line, weigh_row.reshape(images, 1, -1))
    whole = views.view(images, colours, size_px, size_px).clamp(0, 255)
    return (whole + TOLERANCE).floor() * inside[:, None]


def _list_taps(places: Tensor, ends: Tensor, limit: int, source: Source) -> tuple[list[Tensor], list[Tensor]]:
    """List the pixels beside places along one axis, and their weights: 2 of them, or 4 where any view is enlarged."""
    shifted = places - 0.5
    whole = shifted.floor()
    d = shifted - whole
    last = torch.minimum(ends, torch.full_like(ends, limit)) - 1
    taps = range(-1, 3) if source.shape.is_enlarged else range(2)
    found = [torch.minimum((whole + tap).clamp(min=0), last).long() for tap in taps]
    if not source.shape.is_enlarged:
        return found, [1 - d, d]
    d2, d3 = d * d, d * d * d
    cubic = [-d + 2 * d2 - d3, 1 - 2 * d2 + d3, d + d2 - d3, d3 - d2]
    linear = [torch.zeros_like(d), 1 - d, d, torch.zeros_like(d)]
    enlarged = source.column("is_enlarged", 3) > 0
    return found, [torch.where(enlarged, one, other) for one, other in zip(cubic, linear, strict=True)]


def resize_boxes(patches: Tensor, source: Source, size_px: int) -> Tensor:
    """Resize boxes of the images to where they go in the view, black around: (N, C, size_px, size_px)."""
    across = _weigh_box(source, ("box_left", "box_right", "x0", "x1", "left", "width"), patches.shape[3], size_px)
    down = _weigh_box(source, ("box_top", "box_bottom", "y0", "y1", "top", "height"), patches.shape[2], size_px)
    narrowed = (patches @ across.transpose(1, 2)[:, None] + 0.5).floor().clamp(0, 255)
    views = (down[:, None] @ narrowed + 0.5).floor().clamp(0, 255)
    place = source.count(size_px)
    from_x, from_y = place - source.column("x0"), place - source.column("y0")
    in_x = (from_x >= 0) & (place < source.column("x1"))
    in_y = (from_y >= 0) & (place < source.column("y1"))
    inside = (in_y[:, :, None] & in_x[:, None, :])[:, None]
    if source.shape.changes_light:
        fourth = ((from_y % 4 == 0)[:, :, None] & (from_x % 4 == 0)[:, None, :])[:, None] & inside
        middle = (views * fourth).sum((1, 2, 3), keepdim=True) / (fourth.sum((1, 2, 3), keepdim=True) * views.shape[1])
        views = change_light(views, middle, source)
    return views * inside


def _weigh_box(source: Source, names: tuple[str, ...], limit: int, size_px: int) -> Tensor:
    """Weigh the pixels of a patch along one axis for each of the view: (N, size_px, limit), whose rows sum to 1."""
    start, end, first, last, patch_start, side = (source.column(name, 3) for name in names)
    scale = (end - start) / (last - first)
    coarse = scale.clamp(min=1.0)
    centres = start + (source.count(size_px).view(1, -1, 1) - first + 0.5) * scale
    pixels = source.count(limit).view(1, 1, -1) + patch_start
    away = ((pixels - centres + 0.5) / coarse).abs()
    a = RESIZED_CURVE
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = (((away - 5) * away + 8) * away - 4) * a
    weights = torch.where(away < 1, near, torch.where(away < SUPPORT, far, torch.zeros_like(away)))
    weights = weights * (pixels < side)
    total = weights.sum(2, keepdim=True)
    return weights / torch.where(total == 0, torch.ones_like(total), total)


def turn_views(views: Tensor, source: Source) -> Tensor:
    """Exchange rows and columns, left and right, top and bottom, of those views that are to be turned so."""
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "is_transposed": lambda one: one.transpose(2, 3),
        "is_mirrored": lambda one: one.flip(3),
        "is_upended": lambda one: one.flip(2),
    }
    for name in source.shape.turns:  # in this order
        views = torch.where(source.column(name, 4) > 0, ways[name](views), views)
    return views

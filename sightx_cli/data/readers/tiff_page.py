"""One page of a TIFF as tifffile tells it: stacks, channels on pages of their own, any number of bands, any depth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.readers.bands import Bands, choose_bands, count_bands
from sightx_cli.data.readers.base import ImageFileError, Reading
from sightx_cli.data.readers.pillow_file import check_page
from sightx_cli.data.readers.signatures import AGAIN
from sightx_cli.data.readers.tiff_segments import must_unpack, unpack_page

_RGB, _WHITE_IS_ZERO = 2, 0
"""Of the tag PhotometricInterpretation."""
_IN_PLANE, _CHANNELS = "YXS", "C"
"""tifffile's letters of a series' axes; all others (Z, T, Q, …) are pages."""


@dataclass(frozen=True)
class TiffPage:
    """The page that a reading means, and all that is said of it before its samples are read."""

    series: Any
    """tifffile's `TiffPageSeries` that it lies in."""
    places: tuple[int, ...]
    """Where in the series it lies: one place, or one for each band where these have pages of their own."""
    pages: int
    """How many pages the file has."""

    @property
    def first(self) -> Any:
        """The series' first page, whose tags hold for all."""
        return self.series.keyframe

    @property
    def tags(self) -> dict[int, Any]:
        """The tags' values by number."""
        return {tag.code: tag.value for tag in self.first.tags}

    @property
    def size(self) -> tuple[int, int]:
        """Upright width and height in pixels."""
        width, height = self.first.imagewidth, self.first.imagelength
        return (height, width) if self.orientation >= 5 else (width, height)

    @property
    def orientation(self) -> int:
        """As in EXIF."""
        value = self.first.tags.get(274)
        return int(value.value) if value is not None and 1 <= value.value <= 8 else 1

    @property
    def bands(self) -> int:
        """How many bands the page has."""
        return len(self.places) if len(self.places) > 1 else int(self.first.samplesperpixel)

    @property
    def bits(self) -> int:
        """Bits per band."""
        return int(self.first.bitspersample)

    @property
    def bytes_per_pixel(self) -> int:
        """Of all bands together."""
        return self.bands * max(1, self.bits // 8)

    @property
    def mode(self) -> str:
        """The bands in words, where Pillow has no mode for them."""
        return f"{count_bands(self.bands)}{' of fractions' * (self.series.dtype.kind == 'f')}"

    @property
    def inverted(self) -> bool:
        """Whether the largest value is black."""
        return bool(self.first.photometric == _WHITE_IS_ZERO and self.series.dtype.kind in "ub")

    @property
    def frame(self) -> int | None:
        """The page's number for Pillow; None where it is not one page of the file."""
        page = self.series.pages[self.places[0]] if len(self.places) == 1 and self.is_paged else None
        return None if page is None else int(page.index)

    @property
    def is_paged(self) -> bool:
        """Whether each place of the series is a page of the file: large stacks of ImageJ are one page."""
        return len(self.series.pages) == count_places(self.series)

    def describe(self) -> str:
        """Say what it is: "a TIFF with 5 bands of 32-bit float"."""
        kind = f"{self.bits}-bit float" if self.series.dtype.kind == "f" else f"{self.bits} bits"
        return f"a TIFF with {count_bands(self.bands)} of {kind}"

    def choose(self, path: str | Path, reading: Reading) -> Bands:
        """Choose the bands that are shown; raises `ImageFileError` where nothing says which."""
        extras = tuple(int(kind) for kind in self.first.extrasamples) if len(self.places) == 1 else ()
        colours = 3 if self.first.photometric == _RGB and len(self.places) == 1 else 1 if self.bands == 1 else 0
        if colours == 0 and len(self.places) == 1 and self.bands - len(extras) == 1:
            colours = 1
        return choose_bands(self.bands, colours, extras, reading, path, self.describe())

    def read(self, path: str | Path) -> NDArray[Any]:
        """Read the samples (H, W, bands). Raises `ImageFileError` for what is cut off or cannot be decompressed."""
        try:
            parts = [self._read_place(place, path) for place in self.places]
        except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
            if "imagecodecs" not in str(error):
                raise
            packed = getattr(self.first.compression, "name", self.first.compression)
            what = f"is {self.describe()}, compressed by {packed}, which takes the package imagecodecs to read"
            raise ImageFileError(path, what, "pip install imagecodecs, or save it without compression") from error
        planes = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        if 1 < self.bits < 8:
            planes = planes * (255 // (2**self.bits - 1))
        return planes.astype(np.int16) if planes.dtype == np.int8 else planes

    def _read_place(self, place: int, path: str | Path) -> NDArray[Any]:
        if not self.is_paged:
            axes = "".join(letter for letter in self.series.axes if letter in _IN_PLANE)
            whole = self.series.asarray()
            return _to_planes(whole.reshape(-1, *whole.shape[-len(axes) :])[place], axes, path)
        page = self.series.pages[place]
        end = max((at + size for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        if end > self.series.parent.filehandle.size:
            raise ImageFileError(path, "is truncated: the file ends before the image does", AGAIN)
        if must_unpack(page.keyframe):
            return unpack_page(page)
        return _to_planes(page.asarray(), self.first.axes, path)


@contextmanager
def open_page(path: str | Path, data: bytes | None, reading: Reading) -> Iterator[TiffPage]:
    """Open a file at the page that the reading means. Raises `ImageFileError` for a page that it lacks."""
    import tifffile

    try:
        opened = tifffile.TiffFile(path if data is None else BytesIO(data))
    except (tifffile.TiffFileError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ImageFileError(path, "begins as a TIFF, but the rest is cut off or damaged", AGAIN) from error
    with opened as file:
        slots = list_pages(file)
        if not slots:
            raise ImageFileError(path, "begins as a TIFF, but holds no image", AGAIN)
        alone = all(len(places) == 1 and series.keyframe.samplesperpixel == 1 for series, places in slots)
        if alone and reading.page is None and reading.bands is not None and max(reading.bands) > 1:
            # Bands that were written as pages: one series, since all have one size.
            first = [places[0] for series, places in slots if series is slots[0][0]]
            yield TiffPage(slots[0][0], tuple(first), 1)
            return
        check_page(path, reading.page or 1, len(slots))
        series, places = slots[(reading.page or 1) - 1]
        yield TiffPage(series, places, len(slots))


def list_pages(file: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """List a file's pages: the series that each lies in, and its places there, several where channels are pages.

    Thumbnails and masks are none, nor are the smaller copies of a pyramid.
    """
    found = []
    for series in file.series:
        if series.keyframe.is_reduced or series.keyframe.is_mask:
            continue
        letters = [(letter, size) for letter, size in zip(series.axes, series.shape, strict=True)]
        sizes = [(letter, size) for letter, size in letters if letter not in _IN_PLANE]
        grid = np.arange(count_places(series)).reshape([size for _, size in sizes] or [1])
        channels = [place for place, (letter, _) in enumerate(sizes) if letter == _CHANNELS]
        if channels and series.keyframe.samplesperpixel == 1:
            grid = np.moveaxis(grid, channels[0], -1).reshape(-1, sizes[channels[0]][1])
            found += [(series, tuple(int(place) for place in row)) for row in grid]
        else:
            found += [(series, (int(place),)) for place in grid.ravel()]
    return found


def count_places(series: Any) -> int:
    """Count the planes of a series: all that is not height, width and samples."""
    return prod(size for letter, size in zip(series.axes, series.shape, strict=True) if letter not in _IN_PLANE)


def _to_planes(samples: NDArray[Any], axes: str, path: str | Path) -> NDArray[Any]:
    """Bring a page's samples to (H, W, bands)."""
    if axes == "YX":
        return samples[..., None]
    if axes == "YXS":
        return samples
    if axes == "SYX":
        return np.moveaxis(samples, 0, -1)
    raise ImageFileError(path, f"is a TIFF with the axes {axes}, which is not read", "save its slices one by one")

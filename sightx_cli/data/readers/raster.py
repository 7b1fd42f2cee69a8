"""Reads any image file that Pillow reads as upright 8-bit RGB and keeps its range; others are refused by name.

The rules, each chosen so that nothing is lost in silence:

- JPEG, PNG, BMP, GIF, WebP, PBM/PGM/PPM, AVIF and JPEG 2000 are read (TIFF: `tiff.py`); of a file with several frames
  the first, or the one that the reading names.
- EXIF rotation is applied; palette, 1-bit and CMYK become RGB, grey stays one channel.
- What alpha is worth: `alpha.py`. Which bands are shown: `bands.py`.
- Values deeper than 8 bits are scaled to 0–255 over one range for the whole set, or over the file's own: 12-bit data in
  a 16-bit file would otherwise keep 16 grey levels. Of AVIF and JPEG 2000 colour Pillow gives 8 bits, and that is said.
- More than `MAX_PIXELS` is refused from the header, before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps

from sightx_cli.data.readers.alpha import drop_alpha, judge_alpha, lay_over_white
from sightx_cli.data.readers.bands import choose_bands, take_bands
from sightx_cli.data.readers.base import AS_IS, Decoded, Found, Header, Reading, Remark
from sightx_cli.data.readers.blank import is_blank
from sightx_cli.data.readers.deep_colour import is_deep_colour, read_deep_colour
from sightx_cli.data.readers.depth import find_declared
from sightx_cli.data.readers.gate import open_gate
from sightx_cli.data.readers.pillow_file import count_pages, is_avif, open_image, read_start, read_true_bits
from sightx_cli.data.readers.planes import show_planes

DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes of one channel with more than 8 bits."""

_SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    *(b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf"),
)
_TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 262, 0


class RasterReader:
    """Reads what Pillow reads (see `readers.base.Reader`)."""

    packages: tuple[str, ...] = ("pillow", "numpy")
    suffixes = frozenset(
        ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .webp .ppm .pgm .pbm .pnm .pfm "  # noqa: SIM905
        ".avif .avifs .jp2 .j2k .j2c .jpc .jpf .jpx".split()
    )

    def recognises(self, start: bytes) -> bool:
        """Tell by the signatures of these formats."""
        return start.startswith(_SIGNATURES) or start[8:12] == b"WEBP" or is_avif(start)

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,
        min_long_side_px: int | None = None,
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        """Read a file as upright 8-bit RGB; a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size."""
        with open_gate().holding(), open_image(path, data, reading.page) as image:
            draft(image, min_side_px, min_long_side_px)
            return read_opened(image, path, data, reading)

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        """Read a file to its end.

        A JPEG is drafted at 1/8: its whole compressed stream is still read, so a truncated file is found, but most of
        the arithmetic of decoding is left out.
        """
        with open_gate().holding(), open_image(path, data, reading.page) as image:
            draft(image, 1, None)
            return check_opened(image, path, data, reading)

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
        """Read (width, height, mode, bits per channel, format) from the header alone; the size is the upright one."""
        with open_image(path, data, reading.page) as image:
            return describe_header(image, path, data)


def draft(image: Image.Image, min_side_px: int | None, min_long_side_px: int | None) -> None:
    """Let a JPEG decode at a fraction of its size that still has the sides asked for."""
    if image.format not in ("JPEG", "MPO") or (min_side_px is None and min_long_side_px is None):
        return
    short, long = sorted(image.size)
    needed = max(min_side_px or 1, ceil((min_long_side_px or 1) * short / long), 1)
    image.draft(None, (needed, needed))


def read_opened(image: ImageFile.ImageFile, path: str | Path, data: bytes | None, reading: Reading) -> Decoded:
    """Decode an image that is open, as upright RGB, and say what was found."""
    pages, cut = count_pages(image), _say_cut(image, path, data)
    decoded = _read_deep(image, path, data, reading) if is_deep_colour(image) else _read_shallow(image, path, reading)
    shown, found = decoded.image, decoded.found
    return Decoded(shown, Found(pages, found.values, is_blank(shown), cut + found.remarks))


def check_opened(image: ImageFile.ImageFile, path: str | Path, data: bytes | None, reading: Reading) -> Found:
    """Decode an image that is open, to its end, and find what `read_opened` finds, without making RGB of it."""
    if reading.bands is not None or image.mode in DEEP_GREY or is_deep_colour(image):
        return read_opened(image, path, data, reading).found
    pages, cut = count_pages(image), _say_cut(image, path, data)
    load(image)
    if not image.has_transparency_data:
        return Found(pages, (), is_blank(image), cut)
    shows_through, said = judge_alpha(image)
    flat = lay_over_white(image) if shows_through else image if image.mode == "RGBA" else drop_alpha(image)
    return Found(pages, (), is_blank(flat), cut + said)


def describe_header(image: ImageFile.ImageFile, path: str | Path, data: bytes | None) -> Header:
    """Return the header of an image that is open."""
    width, height = image.size
    if find_orientation(image) >= 5:  # EXIF 5–8 are turned by 90°
        width, height = height, width
    bits = 1 if image.mode == "1" else 32 if image.mode == "F" else 8
    if image.mode in DEEP_GREY[:-1] or is_deep_colour(image):
        bits = 16
    elif bits == 8:
        bits = _find_true_bits(image, path, data)
    return width, height, image.mode, bits, str(image.format)


def load(image: ImageFile.ImageFile) -> None:
    """Decode an image, when there is room for its pixels."""
    open_gate().take(image.width * image.height)
    image.load()


def find_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none. Pillow turns a TIFF itself, and reports its upright size."""
    if image.format == "TIFF" or "exif" not in image.info:
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def to_rgb(image: Image.Image, path: str | Path, reading: Reading) -> Decoded:
    """Return a decoded image of 8 bits or fewer as RGB or grey, and what is said of its alpha."""
    if reading.bands is not None:
        return Decoded(take_bands(image, reading, path).convert("RGB"), Found())
    if image.mode == "RGB" and "transparency" not in image.info:
        return Decoded(image if type(image) is Image.Image else detach(image), Found())
    if image.mode == "L" and "transparency" not in image.info:
        return Decoded(detach(image), Found())
    if not image.has_transparency_data:
        return Decoded(image.convert("RGB"), Found())
    shows_through, said = judge_alpha(image)
    return Decoded(lay_over_white(image) if shows_through else drop_alpha(image), Found(remarks=said))


def read_decoded(image: Image.Image, path: str | Path, reading: Reading, tags: Mapping[int, Any]) -> Decoded:
    """Return an image that Pillow has decoded as upright RGB or grey; `tags` are those of its TIFF file."""
    upright: Image.Image = ImageOps.exif_transpose(image) if find_orientation(image) != 1 else image
    if image.mode not in DEEP_GREY:
        return to_rgb(upright, path, reading)
    bands = choose_bands(1, 1, (), reading, path, "a grey image")
    planes = np.asarray(upright)[..., None]
    # Pillow inverts an 8-bit TIFF where 0 is white, but not one of 16 bits.
    inverted = planes.dtype.kind == "u" and tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
    return show_planes(planes, bands, path, reading, find_declared(tags, planes.dtype), inverted)


def _read_shallow(image: ImageFile.ImageFile, path: str | Path, reading: Reading) -> Decoded:
    load(image)
    return read_decoded(image, path, reading, getattr(image, "tag_v2", {}))


def _read_deep(image: ImageFile.ImageFile, path: str | Path, data: bytes | None, reading: Reading) -> Decoded:
    open_gate().take(2 * image.width * image.height)
    orientation = find_orientation(image)
    planes = read_deep_colour(image, lambda: open_image(path, data))
    count = planes.shape[2]
    extras, what = (2,) * (count % 2 == 0), f"an image with {count} bands of 16 bits"
    bands = choose_bands(count, count - len(extras), extras, reading, path, what)
    return show_planes(planes, bands, path, reading, orientation=orientation)


def _find_true_bits(image: Image.Image, path: str | Path, data: bytes | None) -> int:
    return read_true_bits(image, read_start(path, data)) if image.format in ("AVIF", "JPEG2000") else 8


def _say_cut(image: Image.Image, path: str | Path, data: bytes | None) -> tuple[Remark, ...]:
    bits = 8 if image.mode in DEEP_GREY else _find_true_bits(image, path, data)
    text = f"{bits} bits per channel, of which 8 are read"
    advice = "save them as TIFF or PNG to keep more"
    return (Remark("depth", text, advice),) if bits > 8 else ()


def detach(image: Image.Image) -> Image.Image:
    """Return a plain image over the same pixels, without its file."""
    return image._new(image.im)

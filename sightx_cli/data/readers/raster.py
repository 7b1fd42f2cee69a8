"""Reads any image file as upright 8-bit RGB and keeps its range; a file that cannot be read is refused by name.

The rules, each chosen so that nothing is lost in silence:

- JPEG, PNG, TIFF, BMP, GIF, WebP and PBM/PGM/PPM are read; of a file with several frames, the first.
- EXIF rotation is applied; palette, grey, 1-bit and CMYK become RGB.
- Transparent parts lie over white, as viewers and printed reports show them.
- Grey deeper than 8 bits (16-bit PNG, TIFF and PGM, 32-bit integer and float TIFF) is scaled to 0–255 over the range
  that the TIFF declares (MinSampleValue and MaxSampleValue, where they say more than the type does), else between
  the 0.5 and 99.5 percentiles of the image: 12-bit data in a 16-bit file would otherwise keep 16 grey levels.
- Colour deeper than 8 bits is refused by name: Pillow would silently cut it to 8 bits.
- More than `MAX_PIXELS` is refused from the header, before anything is decoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from sightx_cli.data.readers.base import AS_IS, Decoded, Found, Header, ImageFileError, Reading, check_file
from sightx_cli.data.readers.deep_grey import read_number, scale_deep_grey
from sightx_cli.data.readers.gate import list_bands, open_gate

MAX_PIXELS = 128_000_000
"""The largest image read, in pixels: a 100-megapixel camera passes; decoded as RGB it takes 512 MB."""

FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    BmpImagePlugin.BmpImageFile.format,
    GifImagePlugin.GifImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    PpmImagePlugin.PpmImageFile.format,
)
"""Pillow's names of the formats read; naming the plugins loads them once, and not in each thread.

Not EPS, which runs an interpreter; not AVIF and JPEG 2000, whose deep colour would be cut silently.
"""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_PNM_SIGNATURES = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
_DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "F")
_TIFF_BITS = 258


class RasterReader:
    """Reads what Pillow reads of FORMATS (see `readers.base.Reader`)."""

    packages: tuple[str, ...] = ("pillow", "numpy")
    suffixes = frozenset(
        ".jpg .jpeg .jpe .jfif .png .tif .tiff .bmp .dib .gif .webp .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
    )

    def recognises(self, start: bytes) -> bool:
        """Tell by the signatures of FORMATS."""
        return start.startswith(_SIGNATURES + _PNM_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,
        min_long_side_px: int | None = None,
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        """Read a file as upright 8-bit RGB; a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size."""
        with open_gate().holding(), _open_image(path, data) as image:
            _draft(image, min_side_px, min_long_side_px)
            open_gate().take(image.width * image.height)
            image.load()
            return _to_rgb(image, path, reading)

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        """Read a file to its end.

        A JPEG is drafted at 1/8: its whole compressed stream is still read, so a truncated file is found, but most of
        the arithmetic of decoding is left out.
        """
        with open_gate().holding(), _open_image(path, data) as image:
            if image.format in ("JPEG", "MPO"):
                image.draft(None, (1, 1))
            open_gate().take(image.width * image.height)
            image.load()
            if image.mode in _DEEP_GREY:
                return Found(values=(scale_deep_grey(image, path, reading)[1],))
            return Found()

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:  # noqa: ARG002 - pages of one file may differ
        """Read (width, height, mode, bits per channel, format) from the header alone; the size is the upright one."""
        with _open_image(path, data) as image:
            width, height = image.size
            if _orientation(image) >= 5:  # EXIF 5–8 are turned by 90°
                width, height = height, width
            bits = 1 if image.mode == "1" else 32 if image.mode == "F" else _integer_bits(image)
            return width, height, image.mode, bits, str(image.format)


@contextmanager
def _open_image(path: str | Path, data: bytes | None) -> Iterator[ImageFile.ImageFile]:
    """Open a file from its header, check what the header says, and turn what Pillow raises into `ImageFileError`."""
    try:
        check_file(path, data)
        with Image.open(path if data is None else BytesIO(data), formats=FORMATS) as image:
            _check_size(image, path)
            _check_colour_depth(image, path)
            yield image
    except ImageFileError:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(path, int(found[1]) if found else None) from error
    except UnidentifiedImageError as error:
        raise ImageFileError(path, f"is not a readable image ({_describe_start(path)})", _FORMATS_HINT) from error
    except OSError as error:
        reason = f"cannot be read: {error.strerror}" if error.strerror else _plain_reason(error)
        raise ImageFileError(path, reason) from error
    except (SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError) as error:
        raise ImageFileError(path, _plain_reason(error)) from error
    except struct.error as error:
        raise ImageFileError(path, _plain_reason(error)) from error
    except MemoryError as error:
        raise ImageFileError(path, "needs more memory than is free: it may be sound") from error


_FORMATS_HINT = f"SightX reads {', '.join(FORMATS[:-1])} and PBM/PGM/PPM files"


def _plain_reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return "is truncated: the file ends before the image does" if "truncated" in text.lower() else f"is damaged: {text}"


def _describe_start(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        start = file.read(16)
    if start.isascii() and start.decode("ascii").replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable():
        return f"it holds text: {start.decode('ascii').split(chr(10))[0].strip()!r} …"
    return f"its first bytes are {start[:4].hex(' ')}"


def _too_large(path: str | Path, pixels: int | None, size: tuple[int, int] | None = None) -> ImageFileError:
    found = f"{size[0]} × {size[1]} = " if size else ""
    found += f"{pixels:,} pixels" if pixels else "far too many pixels"
    return ImageFileError(
        path, f"has {found}; at most {MAX_PIXELS:,} are read", "make it smaller, or cut it into tiles, and try again"
    )


def _check_size(image: Image.Image, path: str | Path) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, width * height, (width, height))


def _check_colour_depth(image: ImageFile.ImageFile, path: str | Path) -> None:
    """Refuse colour of more than 8 bits per channel, which Pillow silently reads as 8-bit.

    The header's raw mode shows it ("RGB;16B", "LA;16B"), in a TIFF the tag BitsPerSample, in a PPM the largest value.
    """
    if image.mode in _DEEP_GREY or not image.tile:
        return
    arguments: Any = image.tile[0][3]
    items = arguments if isinstance(arguments, tuple) else (arguments,)
    deep_mode = any(isinstance(item, str) and re.search(r";1[0-9]|;32", item) for item in items)
    deep_ppm = image.format == "PPM" and image.mode == "RGB" and any(type(item) is int and item > 255 for item in items)
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, (8,))
    deep_tiff = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if deep_mode or deep_tiff or deep_ppm:
        raise ImageFileError(
            path,
            "has colour with 16 bits per channel; colour is read with 8 bits, grey with 8, 16 or 32",
            "save it as 8-bit colour, or as 16-bit grey if its channels are alike",
        )


def _draft(image: Image.Image, min_side_px: int | None, min_long_side_px: int | None) -> None:
    """Let a JPEG decode at a fraction of its size that still has the sides asked for."""
    if image.format not in ("JPEG", "MPO") or (min_side_px is None and min_long_side_px is None):
        return
    short, long = sorted(image.size)
    needed = max(min_side_px or 1, ceil((min_long_side_px or 1) * short / long), 1)
    image.draft(None, (needed, needed))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none. Pillow turns a TIFF itself, and reports its upright size."""
    if image.format == "TIFF" or "exif" not in image.info:
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _to_rgb(image: Image.Image, path: str | Path, reading: Reading) -> Decoded:
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return Decoded(image if type(image) is Image.Image else _detach(image), Found())
    if image.mode in _DEEP_GREY:
        grey, values = scale_deep_grey(image, path, reading)
        return Decoded(grey.convert("RGB"), Found(values=(values,)))
    if not image.has_transparency_data:
        return Decoded(image.convert("RGB"), Found())
    whole = Image.new("RGB", image.size)
    for top, bottom in list_bands(*image.size):
        whole.paste(_lay_over_white(image.crop((0, top, image.width, bottom))), (0, top))
    return Decoded(whole, Found())


def _lay_over_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _detach(image: Image.Image) -> Image.Image:
    """A plain image over the same pixels, without its file."""
    return image._new(image.im)


def _integer_bits(image: Image.Image) -> int:
    if image.mode.startswith("I;16"):
        return 16
    if image.mode == "I":
        return int(read_number(getattr(image, "tag_v2", {}).get(_TIFF_BITS, 16)))  # without tags it is a PGM
    return 8

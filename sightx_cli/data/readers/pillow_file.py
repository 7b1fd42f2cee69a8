"""Opens a file with Pillow from its header, and turns what Pillow raises into what is wrong with the file, by name."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from sightx_cli.data.readers.base import ImageFileError, check_file, explain_refusal
from sightx_cli.data.readers.signatures import AGAIN, AS_IMAGE, describe_file, describe_jpeg
from sightx_cli.filesystem import check_ordinary

MAX_PIXELS = 128_000_000
"""The largest image read, in pixels: a 100-megapixel camera passes; decoded as RGB it takes 512 MB."""

FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    BmpImagePlugin.BmpImageFile.format,
    GifImagePlugin.GifImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    PpmImagePlugin.PpmImageFile.format,
)
"""Pillow's names of the formats read; naming the plugins loads them once, and not in each thread.

Not EPS, which runs an interpreter.
"""
AVIF, JPEG_2000 = ("AVIF", "PIL.AvifImagePlugin"), ("JPEG2000", "PIL.Jpeg2KImagePlugin")
"""Formats whose plugins are loaded when the first such file is met."""
_UNSUPPORTED = re.compile("unsupported|not supported|not implemented|unknown|cannot handle|unavailable", re.IGNORECASE)
"""Words of Pillow about files that may well be sound."""
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
START_BYTES = 65_536
_AVIF_BRANDS = (b"avif", b"avis")


@contextmanager
def open_image(
    path: str | Path, data: bytes | None, page: int | None = None, formats: tuple[str, ...] = FORMATS
) -> Iterator[ImageFile.ImageFile]:
    """Open a file from its header, at the page asked for, and check its size.

    Raises `ImageFileError` for what Pillow raises, here and within the block.
    """
    with naming_faults(path, data):
        check_file(path, data)
        wanted = find_formats(read_start(path, data, 64), formats)
        with Image.open(path if data is None else BytesIO(data), formats=wanted) as image:
            check_size(path, *image.size)
            if page is not None:
                check_page(path, page, count_pages(image))
                image.seek(page - 1)
            yield image


@contextmanager
def naming_faults(path: str | Path, data: bytes | None) -> Iterator[None]:
    """Turn what reading raises within the block into `ImageFileError`."""
    try:
        yield
    except ImageFileError:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(path, int(found[1]) if found else None) from error
    except UnidentifiedImageError as error:
        raise ImageFileError(path, *describe_file(path, read_start(path, data))) from error
    except MemoryError as error:
        raise ImageFileError(path, "needs more memory than is free: it may be sound") from error
    except OSError as error:
        said = explain_refusal(path, error) if error.strerror else _explain(error, path, data)
        raise ImageFileError(path, *said) from error
    except (SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError) as error:
        raise ImageFileError(path, *_explain(error, path, data)) from error
    except (struct.error, zlib.error) as error:
        raise ImageFileError(path, *_explain(error, path, data)) from error


def read_start(path: str | Path, data: bytes | None, count: int = START_BYTES) -> bytes:
    """Return a file's first bytes; none where it cannot be read, which its reader reports."""
    if data is not None:
        return data[:count]
    try:
        check_ordinary(path)
        with Path(path).open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def find_formats(start: bytes, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats to try on a file that begins like this, and load their plugin where that was put off."""
    if is_avif(start):
        seldom = AVIF
    elif start.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")):
        seldom = JPEG_2000
    else:
        return formats
    import_module(seldom[1])
    return (seldom[0],)


def is_avif(start: bytes) -> bool:
    """Tell whether a file is AVIF: its brand, or one of those that it may be read as."""
    return start[4:8] == b"ftyp" and (start[8:12] in _AVIF_BRANDS or any(one in start[16:40] for one in _AVIF_BRANDS))


def check_size(path: str | Path, width: int, height: int) -> None:
    """Raise `ImageFileError` for an image of more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise _too_large(path, width * height, (width, height))


def check_page(path: str | Path, page: int, pages: int) -> None:
    """Raise `ImageFileError` where a file has no such page."""
    if page > pages:
        found = "1 page" if pages == 1 else f"{pages} pages"
        raise ImageFileError(path, f"has {found}, and image.page asks for page {page}", "choose --set image.page=1")


def count_pages(image: Image.Image) -> int:
    """Count the frames of an animation; the second picture in a photograph's file is a preview or a map of depth."""
    return int(getattr(image, "n_frames", 1)) if image.format in ANIMATED else 1


def read_true_bits(image: Image.Image, start: bytes) -> int:
    """Return the bits per channel of an AVIF or JPEG 2000 file, from its first bytes; 8 for all others."""
    if image.format == "AVIF" and (place := start.find(b"av1C")) >= 0 and len(start) > place + 6:
        flags = start[place + 6]
        return 12 if flags & 0x20 else 10 if flags & 0x40 else 8
    if image.format == "JPEG2000" and (place := start.find(b"\xff\x4f\xff\x51")) >= 0 and len(start) > place + 42:
        return (start[place + 42] & 0x7F) + 1
    return 8


def _explain(error: BaseException, path: str | Path, data: bytes | None) -> tuple[str, str]:
    """Say what is wrong with a file that could be opened, and what to do."""
    text = str(error).strip() or type(error).__name__
    if "truncated" in text.lower():
        return "is truncated: the file ends before the image does", AGAIN
    if unusual := describe_jpeg(read_start(path, data)):
        return unusual, AS_IMAGE
    if _UNSUPPORTED.search(text):
        return f"is of a kind that is not read: {text}", AS_IMAGE
    if "decoder error" in text:
        return f"cannot be decompressed: it is damaged, or packed in a way that is not read ({text})", AS_IMAGE
    return f"is damaged: {text}", AGAIN


def _too_large(path: str | Path, pixels: int | None, size: tuple[int, int] | None = None) -> ImageFileError:
    found = f"{size[0]} × {size[1]} = " if size else ""
    found += f"{pixels:,} pixels" if pixels else "far too many pixels"
    return ImageFileError(
        path, f"has {found}; at most {MAX_PIXELS:,} are read", "make it smaller, or cut it into tiles, and try again"
    )

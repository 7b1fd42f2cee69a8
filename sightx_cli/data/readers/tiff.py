"""Reads TIFF: what Pillow reads whole, by Pillow; other bands, depths and stacks by tifffile.

Pillow drops bands beyond those of a photograph, cuts colour to 8 bits, and knows a stack as a row of pages only, all
without a word. So its image is used where its mode accounts for every sample of the page; else the samples are read as
they stand, and `bands.py` says which are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from sightx_cli.data.readers.bands import ALPHA_EXTRAS, choose_bands
from sightx_cli.data.readers.base import AS_IS, Decoded, Found, Header, ImageFileError, Reading, check_file
from sightx_cli.data.readers.blank import is_blank
from sightx_cli.data.readers.depth import find_declared
from sightx_cli.data.readers.gate import open_gate
from sightx_cli.data.readers.pillow_file import check_page, check_size, naming_faults, read_start
from sightx_cli.data.readers.planes import show_planes
from sightx_cli.data.readers.raster import DEEP_GREY, check_opened, describe_header, read_opened
from sightx_cli.data.readers.signatures import describe_file, find_kind_of_file

if TYPE_CHECKING:
    from sightx_cli.data.readers.tiff_page import TiffPage

_FORMATS = (TiffImagePlugin.TiffImageFile.format,)
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DIRECTORY_BYTES = 2048
"""How much of a file is read to see its first directory."""
_DEPTH = 32997
"""The tag ImageDepth: planes within one page."""
_UNSIGNED = 1
"""Of the tag SampleFormat."""


class TiffReader:
    """Reads TIFF and BigTIFF (see `readers.base.Reader`)."""

    packages: tuple[str, ...] = ("pillow", "numpy", "tifffile")
    suffixes = frozenset((".tif", ".tiff"))

    def recognises(self, start: bytes) -> bool:
        """Tell by the byte order and the version."""
        return start.startswith(_SIGNATURES)

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,  # noqa: ARG002 - a TIFF is decoded whole
        min_long_side_px: int | None = None,  # noqa: ARG002
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        """Read a file as upright 8-bit RGB."""
        with open_gate().holding(), opening(path, data, reading) as (image, page):
            if image is None:
                assert page is not None
                return read_page(page, path, reading)
            decoded = read_opened(image, path, data, reading)
            return Decoded(decoded.image, _complete(decoded.found, image, page, path, reading))

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        """Read a file to its end."""
        with open_gate().holding(), opening(path, data, reading) as (image, page):
            if image is None:
                assert page is not None
                return read_page(page, path, reading).found
            return _complete(check_opened(image, path, data, reading), image, page, path, reading)

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
        """Read (width, height, mode, bits per channel, format) from the header alone; the size is the upright one."""
        with opening(path, data, reading) as (image, page):
            if image is None:
                assert page is not None
                page.choose(path, reading)
                return *page.size, page.mode, page.bits, "TIFF"
            width, height, mode, bits, kind = describe_header(image, path, data)
            return width, height, mode, _read_tag(image, 258, bits)[0] if mode == "I" else bits, kind


@contextmanager
def opening(
    path: str | Path, data: bytes | None, reading: Reading
) -> Iterator[tuple[ImageFile.ImageFile | None, TiffPage | None]]:
    """Open the page that is read: Pillow's image where that is whole, and tifffile's page where the file holds more.

    One of the two is there, or both. Raises `ImageFileError`, also for what is raised within the block.
    """
    with naming_faults(path, data), ExitStack() as stack:
        check_file(path, data)
        start = read_start(path, data, _DIRECTORY_BYTES)
        if find_kind_of_file(start, path) is not None or not start.startswith(_SIGNATURES):
            raise ImageFileError(path, *describe_file(path, start))  # a raw file shows a TIFF's reader its thumbnail
        # Never by its path: Pillow would map the file into memory, and then does not turn it upright.
        file: IO[bytes] = BytesIO(data) if data is not None else stack.enter_context(Path(path).open("rb"))
        image = _open_with_pillow(file)
        if image is not None:
            stack.enter_context(image)
            check_size(path, *image.size)
            if image.n_frames == 1 and not _is_stack(image) and holds_all(image, reading):
                check_page(path, reading.page or 1, 1)
                yield image, None
                return
        from sightx_cli.data.readers.tiff_page import open_page

        page = stack.enter_context(open_page(path, data, reading))
        if image is not None and page.frame is not None and holds_all(image, reading, page.frame):
            yield image, page
            return
        check_size(path, *page.size)
        yield None, page


def holds_all(image: ImageFile.ImageFile, reading: Reading, frame: int = 0) -> bool:
    """Tell whether Pillow's image of a TIFF's page has all its samples, or at least those that are shown.

    The image is left at that page.
    """
    image.seek(frame)
    samples, bits, kinds, extras = (
        _read_tag(image, tag, usual) for tag, usual in ((277, 1), (258, 1), (339, _UNSIGNED), (338, None))
    )
    mode, count = image.mode, samples[0]
    if mode in DEEP_GREY:
        return count == 1 and not (mode == "I" and kinds[0] == _UNSIGNED)  # which Pillow takes for signed numbers
    if max(bits) > 8 or set(kinds) != {_UNSIGNED}:
        return False
    if mode == "RGB" and count > 3:
        return reading.bands is None and not set(extras) & set(ALPHA_EXTRAS)
    return count == len(image.getbands()) and (mode not in ("LA", "PA", "RGBA") or set(extras) <= set(ALPHA_EXTRAS))


def read_page(page: TiffPage, path: str | Path, reading: Reading) -> Decoded:
    """Read a page's samples, and show those that are chosen."""
    bands = page.choose(path, reading)
    width, height = page.size
    open_gate().take(width * height * max(1, page.bytes_per_pixel // 4))
    planes = page.read(path)
    declared = find_declared(page.tags, planes.dtype) if len(bands.shown) == 1 else None
    decoded = show_planes(planes, bands, path, reading, declared, page.inverted, page.orientation)
    found = replace(decoded.found, pages=page.pages, blank=is_blank(decoded.image))
    return Decoded(decoded.image, found)


def _open_with_pillow(file: IO[bytes]) -> TiffImagePlugin.TiffImageFile | None:
    """Open a file with Pillow; None where Pillow has no mode for it, or takes it for damaged."""
    try:
        return cast("TiffImagePlugin.TiffImageFile", Image.open(file, formats=_FORMATS))
    except UnidentifiedImageError:
        return None


def _is_stack(image: ImageFile.ImageFile) -> bool:
    """Tell whether a file of one page holds several planes: ImageJ writes large stacks so, others volumes."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    images = re.search(r"^ImageJ=.*^images=(\d+)", str(tags.get(270, "")), re.MULTILINE | re.DOTALL)
    return _read_tag(image, _DEPTH, 1)[0] > 1 or (images is not None and int(images[1]) > 1)


def _complete(
    found: Found, image: ImageFile.ImageFile, page: TiffPage | None, path: str | Path, reading: Reading
) -> Found:
    """Add what Pillow does not know: the pages, and the bands that it left out."""
    count = int(_read_tag(image, 277, 1)[0])
    pages = 1 if page is None else page.pages
    if image.mode == "RGB" and count > 3:
        left_out = choose_bands(count, 3, (0,) * (count - 3), reading, path, "")
        return replace(found, pages=pages, remarks=found.remarks + left_out.remarks)
    return replace(found, pages=pages)


def _read_tag(image: Any, tag: int, usual: int | None) -> tuple[int, ...]:
    value = image.tag_v2.get(tag, usual)
    return value if isinstance(value, tuple) else () if value is None else (value,)

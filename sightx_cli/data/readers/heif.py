"""Reads HEIC photographs, as telephones take them, where pillow-heif is installed; else says what to install.

It is an extra of its own: the libraries within carry GPL code (x265), which whoever installs SightX should choose to
have. They turn a photograph upright themselves and say so in its EXIF.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import ImageFile

from sightx_cli.data.readers.base import AS_IS, Decoded, Found, Header, ImageFileError, Reading, Remark, check_file
from sightx_cli.data.readers.gate import open_gate
from sightx_cli.data.readers.pillow_file import check_page, check_size, is_avif, naming_faults
from sightx_cli.data.readers.raster import check_opened, describe_header, read_opened
from sightx_cli.data.readers.signatures import HEIC, is_heif_start, name_kind


class HeifReader:
    """Reads HEIC (see `readers.base.Reader`)."""

    packages: tuple[str, ...] = ("pillow-heif",)
    suffixes = frozenset(HEIC.suffixes)

    def recognises(self, start: bytes) -> bool:
        """Tell by the brands that the file names; AVIF, which may name them too, is Pillow's own."""
        return is_heif_start(start) and not is_avif(start)

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,  # noqa: ARG002 - decoded whole
        min_long_side_px: int | None = None,  # noqa: ARG002
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        """Read the photograph as upright 8-bit RGB."""
        with open_gate().holding(), _opening(path, data, reading) as image:
            decoded = read_opened(image, path, data, reading)
            return Decoded(decoded.image, _say_cut(image, decoded.found))

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        """Decode the photograph."""
        with open_gate().holding(), _opening(path, data, reading) as image:
            return _say_cut(image, check_opened(image, path, data, reading))

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
        """Read what the header tells; the size is the upright one."""
        with _opening(path, data, reading) as image:
            return describe_header(image, path, data)


@contextmanager
def _opening(path: str | Path, data: bytes | None, reading: Reading) -> Iterator[ImageFile.ImageFile]:
    """Open a photograph from its header; raises `ImageFileError` where it is damaged, or nothing here reads it."""
    with naming_faults(path, data):
        check_file(path, data)
        try:
            from pillow_heif import HeifImageFile
        except ImportError as error:
            raise ImageFileError(path, name_kind(HEIC, path), HEIC.hint) from error
        with HeifImageFile(path if data is None else BytesIO(data)) as image:
            check_size(path, *image.size)
            if reading.page is not None:
                check_page(path, reading.page, image.n_frames)
                image.seek(reading.page - 1)
            yield image


def _say_cut(image: ImageFile.ImageFile, found: Found) -> Found:
    """Add that more than 8 bits were cut to 8, as pillow-heif does."""
    bits = int(image.info.get("bit_depth", 8))
    if bits <= 8:
        return found
    return replace(found, remarks=(Remark("depth", f"{bits} bits per channel, of which 8 are read"), *found.remarks))

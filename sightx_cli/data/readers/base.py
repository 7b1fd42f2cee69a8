"""What a reader of image files is: one for each kind of file, from a path or bytes to upright 8-bit RGB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sightx_cli.errors import DataError
from sightx_cli.filesystem import find_kind

if TYPE_CHECKING:
    from PIL import Image

Header = tuple[int, int, str, int, str]
"""Upright width and height in pixels, Pillow's mode, bits per channel, format."""


class ImageFileError(DataError):
    """One image file cannot be read; the message names the file, `reason` says why in a few words."""

    def __init__(self, path: str | Path, reason: str, hint: str = "") -> None:
        super().__init__(f"{path}: {reason}", hint)
        self.reason = reason


def check_file(path: str | Path, data: bytes | None = None) -> None:
    """Raise `ImageFileError` for an empty file or one that is not a regular file, `OSError` for a missing one."""
    state = None if data is not None else Path(path).stat()
    if state is not None and (kind := find_kind(state)):
        raise ImageFileError(path, f"is {kind}, not a file")
    if data == b"" or (state is not None and state.st_size == 0):
        raise ImageFileError(path, "is empty (0 bytes)", "copy it again from its source")


class Reader(Protocol):
    """Reads one kind of file. Every method takes the path, and the file's bytes where they are in memory already.

    All but `recognises` raise `ImageFileError` for a file that is missing, empty, damaged or not of this kind.
    """

    packages: tuple[str, ...]
    """The packages whose versions the pixels depend on: features computed with others are not found again."""
    suffixes: frozenset[str]
    """File name endings of this kind, in lower case."""

    def recognises(self, start: bytes) -> bool:
        """Tell from a file's first bytes whether it is of this kind."""

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,
        min_long_side_px: int | None = None,
        data: bytes | None = None,
    ) -> Image.Image:
        """Read a file as upright 8-bit RGB, perhaps smaller, with no fewer pixels a side than asked for."""

    def check(self, path: str | Path, data: bytes | None = None) -> None:
        """Read a file to its end, as cheaply as its format allows."""

    def measure_header(self, path: str | Path, data: bytes | None = None) -> Header:
        """Read what the header alone tells."""

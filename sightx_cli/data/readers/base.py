"""What a reader of image files is: one for each kind of file, from a path or bytes to upright 8-bit RGB or grey.

What a file leaves open (which page, which bands, what is black and what is white) is settled by a `Reading`, the same
in training and in prediction; what a file held, and what of it was left out, is a `Found`, from the one reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sightx_cli.errors import DataError
from sightx_cli.filesystem import find_kind

if TYPE_CHECKING:
    from PIL import Image

Header = tuple[int, int, str, int, str]
"""Upright width and height in pixels, mode (Pillow's, or in words), bits per channel, format."""

Range = tuple[float, float]
"""The value that becomes black, and the value that becomes white."""


@dataclass(frozen=True)
class Reading:
    """How pixels are taken from a file where it leaves a choice; part of a view's key, and kept in the bundle."""

    page: int | None = None
    """Which page or frame, from 1; None: the first."""
    bands: tuple[int, ...] | None = None
    """Which bands, from 1, become red, green and blue (one: grey; two: red and green); None: as the file says."""
    asked: Range | None = None
    """The range of deep values that the user gave; it goes before any that was measured or stands in a file."""
    ranges: tuple[tuple[str, float, float], ...] = ()
    """The ranges measured on the training images, by kind of value: (kind, low, high)."""
    by_file: bool = False
    """Whether it was asked for that each deep file is scaled over its own range."""

    def find_range(self, kind: str) -> Range | None:
        """Return the range that deep values of this kind are scaled by; None where each file is by its own."""
        return self.asked or next(((low, high) for one, low, high in self.ranges if one == kind), None)


AS_IS = Reading()
"""The first page, the bands as the file says, each deep file over its own range."""


@dataclass(frozen=True)
class Values:
    """Deep values of a file (more than 8 bits) and the range that they have, or that the file declares."""

    kind: str
    """What they are counted in, in the words of a notice ("whole numbers", "fractions", "Hounsfield units"): one range
    for each kind. Bands that are no colours of one picture are a kind each: "whole numbers, band 2"."""
    low: float
    high: float


@dataclass(frozen=True)
class Remark:
    """What was left out, cut or assumed of one file; equal remarks of many files become one notice with their count."""

    kind: str
    """The notice's kind."""
    text: str
    """Goes on from "12 files have" or "1 file has": "a fourth band beside the colours, which is left out"."""
    advice: str = ""
    """What to do to change it: "--set image.bands=[4] reads it alone"; empty where there is nothing to do."""
    warns: bool = False


@dataclass(frozen=True)
class Found:
    """What the one reading of a file showed; what is made of it is said once, for all files (`data.pixel_notices`)."""

    pages: int = 1
    """Pages or frames of the file, of which one is read."""
    values: tuple[Values, ...] = ()
    """Of what is read of a file with more than 8 bits, one for each kind; none where it has fewer."""
    blank: bool = False
    """Whether the pixels are of one colour after reading."""
    remarks: tuple[Remark, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    """What the file says about itself beside the pixels, by name; never the name of a person."""

    @staticmethod
    def from_json(table: Mapping[str, Any]) -> Found:
        """Return what `dataclasses.asdict` made a table of."""
        return Found(
            **{
                **table,
                "values": tuple(Values(**one) for one in table["values"]),
                "remarks": tuple(Remark(**one) for one in table["remarks"]),
                "tags": tuple((name, value) for name, value in table["tags"]),
            }
        )


@dataclass(frozen=True)
class Decoded:
    """A file's pixels, upright 8-bit RGB (or one channel of a grey file), and what was found."""

    image: Image.Image
    found: Found


class ImageFileError(DataError):
    """One image file cannot be read; the message names the file, `reason` says why in a few words.

    The reason goes on from the file's name: "is a PDF document".
    """

    def __init__(self, path: str | Path, reason: str, hint: str = "") -> None:
        super().__init__(f"{path}: {reason}", hint)
        self.path, self.reason = str(path), reason


def check_file(path: str | Path, data: bytes | None = None) -> None:
    """Raise `ImageFileError` for an empty file or one that is not a regular file, `OSError` for a missing one."""
    state = None if data is not None else Path(path).stat()
    if state is not None and (kind := find_kind(state)):
        raise ImageFileError(path, f"is {kind}, not a file")
    if data == b"" or (state is not None and state.st_size == 0):
        raise ImageFileError(path, "is empty (0 bytes)", "copy it again from its source")


def explain_refusal(path: str | Path, error: OSError | ValueError) -> tuple[str, str]:
    """Say why a file cannot be opened, and what to do: that of a link which leads nowhere is not the image's fault."""
    said = getattr(error, "strerror", None) or str(error)
    if Path(path).is_symlink() and not Path(path).exists():
        return f"is a link that leads nowhere: {said}", "put there what it should point to, or remove the link"
    return f"cannot be read: {said}", ""


class Reader(Protocol):
    """Reads one kind of file. Every method takes the path, and the file's bytes where they are in memory already.

    All but `recognises` raise `ImageFileError` for a file that is missing, empty, damaged, not of this kind, or that
    the reading does not suit (a page or band that it lacks).
    """

    packages: tuple[str, ...]
    """The packages whose versions the pixels depend on: features computed with others are not found again."""
    suffixes: frozenset[str]
    """File name endings of this kind, in lower case."""

    def recognises(self, start: bytes) -> bool:
        """Tell from a file's first 512 bytes whether it is of this kind."""

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,
        min_long_side_px: int | None = None,
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        """Read a file as upright 8-bit RGB or grey, perhaps smaller, with no fewer pixels a side than asked for."""

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        """Read a file to its end, as cheaply as its format allows; what it finds is what `read` finds."""

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
        """Read what the header alone tells."""

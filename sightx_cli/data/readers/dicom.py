"""Reads DICOM images as upright 8-bit RGB, by their own window or by the range of the set; says what is no image.

The rules (`sightx_cli.dicom` follows them):

- The modality's rule, then the file's window (the first of several) or table, then the inversion of MONOCHROME1: what
  pydicom's own functions give, brought to 8 bits. A range that was asked for goes before the file's window.
- Grey of more than 8 bits without a window is scaled by the set's range, in the units of its modality.
- Of several frames one is read. RGB, YBR and palettes become RGB; overlays and shapes of pixels are ignored.
- Uncompressed, RLE, JPEG, lossless JPEG, JPEG-LS and JPEG 2000.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from sightx_cli.data.readers.bands import take_bands
from sightx_cli.data.readers.base import (
    AS_IS,
    Decoded,
    Found,
    Header,
    ImageFileError,
    Reading,
    Remark,
    Values,
    check_file,
)
from sightx_cli.data.readers.blank import is_blank
from sightx_cli.data.readers.gate import open_gate
from sightx_cli.data.readers.pillow_file import MAX_PIXELS, check_page
from sightx_cli.dicom.colours import PALETTE, apply_palette, scale_colour
from sightx_cli.dicom.dataset import DicomImage, open_dataset
from sightx_cli.dicom.failures import DicomError, explaining
from sightx_cli.dicom.frame_tags import settle_frame
from sightx_cli.dicom.frames import decode_frame
from sightx_cli.dicom.identities import IDENTITIES, read_identities
from sightx_cli.dicom.intensities import Asked, scale_grey
from sightx_cli.dicom.pseudonyms import are_pseudonyms_lasting, find_key_folder
from sightx_cli.dicom.remarks import hearing_remarks
from sightx_cli.dicom.start_bytes import is_dicom_start

WINDOW, NO_WINDOW = "window", "none"
"""The tag of what was found: the file's own window that was used, in words; of deep grey without one, NO_WINDOW."""


class DicomReader:
    """Reads DICOM (see `readers.base.Reader`)."""

    packages: tuple[str, ...] = ("pydicom", "python-gdcm", "pyjpegls", "pylibjpeg-openjpeg")
    suffixes = frozenset((".dcm", ".dicom", ".ima"))

    def recognises(self, start: bytes) -> bool:
        """Tell by `DICM` behind the preamble, or by a data set without one."""
        return is_dicom_start(start)

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,  # noqa: ARG002 - every frame is decoded whole
        min_long_side_px: int | None = None,  # noqa: ARG002
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        """Read one frame as 8-bit RGB."""
        with open_gate().holding():
            levels, found = _read_levels(path, data, reading)
            return Decoded(levels if levels.mode == "L" else levels.convert("RGB"), found)

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        """Decode the frame that is read."""
        with open_gate().holding():
            return _read_levels(path, data, reading)[1]

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
        """Read size, kind and bits from the tags; the size of a frame is upright."""
        with _opening(path, data) as image:
            _choose_frame(path, image, reading)
            deep = "F" if image.keyword != "PixelData" else "I;16" if image.bits <= 16 else "I"
            is_grey = image.samples == 1 and image.photometric != PALETTE
            mode = "RGB" if not is_grey else "L" if image.bits <= 8 else deep
            return image.columns, image.rows, mode, image.bits if is_grey else min(image.bits, 8), "DICOM"


@contextmanager
def _opening(path: str | Path, data: bytes | None) -> Iterator[DicomImage]:
    """Open a file, or its bytes; what is wrong with it, here and within the block, becomes `ImageFileError`."""
    try:
        with explaining():
            check_file(path, data)
            with Path(path).open("rb") if data is None else BytesIO(data) as file:
                yield open_dataset(file, MAX_PIXELS)
    except DicomError as fault:
        raise ImageFileError(path, fault.reason, fault.hint) from fault


def _read_levels(path: str | Path, data: bytes | None, reading: Reading) -> tuple[Image.Image, Found]:
    """Decode a frame to 8 bits, grey or RGB, and say what was found."""
    with hearing_remarks() as heard, _opening(path, data) as image:
        place = _choose_frame(path, image, reading)
        open_gate().take(image.rows * image.columns)
        tags = settle_frame(image.tags, place)
        stored, photometric = decode_frame(image, place)
        values, window = None, ""
        if image.samples == 3:
            levels = Image.fromarray(scale_colour(stored, image.bits))
        elif photometric == PALETTE:
            levels = Image.fromarray(apply_palette(stored, tags))
        else:
            grey = scale_grey(stored, tags, image.bits, Asked(reading.asked, reading.find_range))
            levels, values, window = Image.fromarray(grey.levels), grey.values, grey.window
            window = window or (NO_WINDOW if values else "")
        tagged = read_identities(tags) + (((WINDOW, window),) if window else ())
    if reading.bands is not None:
        levels = take_bands(levels, reading, path)
    return levels, Found(
        pages=image.frames,
        values=(Values(values[0], *values[1]),) if values else (),
        blank=is_blank(levels),
        remarks=_list_remarks(heard, tagged),
        tags=tagged,
    )


def _choose_frame(path: str | Path, image: DicomImage, reading: Reading) -> int:
    """The frame to read, counted from 0."""
    page = reading.page or 1
    check_page(path, page, image.frames)
    return page - 1


def _list_remarks(heard: list[str], tagged: tuple[tuple[str, str], ...]) -> tuple[Remark, ...]:
    """What pydicom remarked, each once; and pseudonyms that no later run will know."""
    remarks = [Remark("dicom-faults", f"a fault that was got over: {line}") for line in dict.fromkeys(heard)]
    if any(name in IDENTITIES for name, _ in tagged) and not are_pseudonyms_lasting():
        place = find_key_folder() or "a home folder"
        text = f"pseudonyms for PatientID and the like that hold for this run alone, as no key can be kept in {place}"
        remarks.append(Remark("pseudonyms", text))
    return tuple(remarks)

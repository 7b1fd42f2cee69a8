"""One frame of a DICOM image decoded to its stored values, by the decoder that is sound for its compression."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from sightx_cli.dicom.dataset import DicomImage
from sightx_cli.dicom.failures import TRUNCATED, DicomError, explain_missing
from sightx_cli.dicom.gdcm_process import decode_apart
from sightx_cli.dicom.vocabulary import name_syntax

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import Decoder

APART = "gdcm"
"""Ends the whole process at some damaged files (an uncaught C++ exception, a segmentation fault), so it works in one of
its own. No other decoder of lossless and of 12-bit JPEG has a permissive licence."""

PLUGINS = {
    "1.2.840.10008.1.2.4.50": "pillow",  # JPEG baseline
    "1.2.840.10008.1.2.4.51": "pillow",  # JPEG extended; with 12 bits APART
    "1.2.840.10008.1.2.4.57": APART,  # JPEG lossless
    "1.2.840.10008.1.2.4.70": APART,  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",  # JPEG 2000
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",  # high-throughput JPEG 2000
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
    "1.2.840.10008.1.2.5": "pydicom",  # RLE
}
"""The decoder of each compression that is read, as pydicom calls it. One each: where a decoder fails pydicom would try
the others, and so come to the one that ends the process."""

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"

_END_OF_IMAGE, _TAIL_BYTES = b"\xff\xd9", 16

_JPEG_SIZE = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG or JPEG-LS stream that are followed by precision, height and width."""


def decode_frame(image: DicomImage, place: int) -> tuple[NDArray[Any], str]:
    """Decode one frame, counted from 0: its stored values, (H, W) or (H, W, 3), and their photometric interpretation.

    YBR becomes RGB. Raises: `DicomError` for a frame that is cut short, or of a compression that is not read; what
    pydicom raises for one that is damaged.
    """
    from pydicom.pixels import as_pixel_options, get_decoder
    from pydicom.uid import UID

    options: dict[str, Any] = {
        **as_pixel_options(image.tags),
        "pixel_keyword": image.keyword,
        "pixel_vr": image.vr,
        "number_of_frames": image.frames,
    }
    if not image.is_compressed:
        _check_length(image, place)
        decoder = get_decoder(UID(image.transfer_syntax))
        values, facts = decoder.as_array(image.file, index=place, **options)
        return values, str(facts["photometric_interpretation"])
    plugin = _find_plugin(image)
    frame = _find_frame(image, place, options.pop("extended_offsets", None))
    precision = _check_stream(image, frame)
    if plugin == "pyjpegls" and _END_OF_IMAGE not in frame[-_TAIL_BYTES:]:  # it may search for it ten seconds
        raise DicomError(TRUNCATED)
    if image.transfer_syntax == JPEG_EXTENDED and precision > 8:
        plugin = APART
    if plugin == APART:
        return decode_apart(frame, image.transfer_syntax, options | {"number_of_frames": 1})
    return _decode(_open_decoder(image, plugin), frame, plugin, options)


def _decode(decoder: Decoder, frame: bytes, plugin: str, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
    from pydicom.encaps import encapsulate

    options["number_of_frames"] = 1
    values, facts = decoder.as_array(encapsulate([frame]), index=0, decoding_plugin=plugin, **options)
    return values, str(facts["photometric_interpretation"])


def _find_plugin(image: DicomImage) -> str:
    if image.transfer_syntax in PLUGINS:
        return PLUGINS[image.transfer_syntax]
    from pydicom.uid import UID

    name = name_syntax(UID(image.transfer_syntax).name) or "a way that is unknown here"
    raise DicomError(
        f"is a DICOM file compressed as {name} ({image.transfer_syntax}), which is not read",
        "save it uncompressed, or as JPEG 2000 or JPEG-LS",
    )


def _open_decoder(image: DicomImage, plugin: str) -> Decoder:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    uid = UID(image.transfer_syntax)
    decoder = get_decoder(uid)
    if plugin not in decoder.available_plugins:
        raise explain_missing(name_syntax(uid.name))
    return decoder


def _check_length(image: DicomImage, place: int) -> None:
    """Raise where the file ends before an uncompressed frame does."""
    allocated = int(image.tags.get("BitsAllocated") or 8) if image.keyword == "PixelData" else image.bits
    bits = image.rows * image.columns * image.samples * allocated
    if image.photometric == "YBR_FULL_422":  # two of three samples are shared by two pixels
        bits = bits * 2 // 3
    start = image.file.tell()
    left = image.file.seek(0, 2) - start
    image.file.seek(start)
    if left * 8 < bits * (place + 1):
        raise DicomError(TRUNCATED)


def _find_frame(image: DicomImage, place: int, offsets: Any) -> bytes:
    from pydicom.encaps import get_frame

    frame: bytes = get_frame(image.file, place, number_of_frames=image.frames, extended_offsets=offsets)
    if not frame:
        raise DicomError(TRUNCATED)
    return frame


def _check_stream(image: DicomImage, frame: bytes) -> int:
    """Hold the size that a compressed frame has itself against the file's, and return its bits, 0 where unknown.

    A decoder makes room for the size within, which a hostile or damaged file may have chosen.
    """
    found = _measure_jpeg(frame) if frame[:2] == b"\xff\xd8" else _measure_jpeg2000(frame)
    if found is None:
        return 0
    precision, rows, columns = found
    if (rows, columns) != (image.rows, image.columns):
        raise DicomError(
            f"is a damaged DICOM file: {image.columns:,} × {image.rows:,} pixels by its header, "
            f"{columns:,} × {rows:,} by its compressed data",
        )
    return precision


def _measure_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """Bits, rows and columns of a JPEG or JPEG-LS stream."""
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker in _JPEG_SIZE:
            rows, columns = (int.from_bytes(frame[place + at : place + at + 2], "big") for at in (5, 7))
            return frame[place + 4], rows, columns
        place += 1 if marker == 0xFF else 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return None


def _measure_jpeg2000(frame: bytes) -> tuple[int, int, int] | None:
    """Bits, rows and columns of a JPEG 2000 codestream, perhaps within a JP2 file."""
    found = re.search(rb"\xff\x4f\xff\x51", frame[:4096])
    if found is None:
        return None
    place = found.end() + 4
    right, bottom, left, top = (int.from_bytes(frame[place + at : place + at + 4], "big") for at in (0, 4, 8, 12))
    depth = frame[place + 34] if len(frame) > place + 34 else 0
    return (depth & 0x7F) + 1, bottom - top, right - left

"""A DICOM file opened: its tags parsed, what says that it is an image checked, and its pixels found but not read."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from sightx_cli.dicom.failures import DicomError
from sightx_cli.dicom.vocabulary import NO_PICTURES, name_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PIXELS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
"""The elements that hold pixels, and pydicom's names of them."""

_PIXEL_TYPES = (b"OB", b"OW", b"OF", b"OD", b"UN")

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Of pixels that are compressed: they end where the file says so."""

INFLATED_BYTES = 1024**3
"""A deflated file may be this large: 1,000 times smaller on disk, so that no small file fills the memory."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_START_BYTES = 2048
"""The facts about the file, with the name of its transfer syntax, lie within."""


@dataclass(frozen=True)
class DicomImage:
    """The tags of an image, and where in the open file its pixels are."""

    tags: Dataset
    """Without the pixels."""
    file: BinaryIO
    """At the first byte of the pixels."""
    keyword: str
    """pydicom's name of the element that holds them."""
    vr: str
    """That element's type, as DICOM abbreviates it."""
    is_compressed: bool
    rows: int
    columns: int
    samples: int
    """1 for grey and palettes, 3 for colour."""
    bits: int
    """Of each sample, without those that are unused."""
    frames: int

    @property
    def photometric(self) -> str:
        """How samples become brightness or colour, such as MONOCHROME1."""
        return str(self.tags.get("PhotometricInterpretation") or "MONOCHROME2")

    @property
    def transfer_syntax(self) -> str:
        """The identifier of how the pixels are encoded."""
        meta = getattr(self.tags, "file_meta", None)
        return str(meta.get("TransferSyntaxUID") or "") if meta is not None else ""


def open_dataset(file: BinaryIO, most_pixels: int) -> DicomImage:
    """Open a DICOM file, and check that it is an image that can be read; nothing of it is decoded.

    Raises: `DicomError` for a file with more than `most_pixels` in a frame, or without an image; ModuleNotFoundError
    without pydicom; and what pydicom raises for damage (see `failures.explaining`).
    """
    image = _find_image(*_parse(file))
    pixels = image.rows * image.columns
    if pixels > most_pixels:
        raise DicomError(
            f"has {image.columns:,} × {image.rows:,} = {pixels:,} pixels; at most {most_pixels:,} are read",
            "make it smaller, or cut it into tiles, and try again",
        )
    return image


def _parse(file: BinaryIO) -> tuple[Dataset, BinaryIO]:
    """Return the tags before the pixels, and the file, or what it was inflated to, at the pixels' element."""
    from pydicom import dcmread
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    start = file.read(_START_BYTES)
    file.seek(0)
    if _DEFLATED in start:
        file = BytesIO(_inflate(start, file))
    tags = dcmread(file, stop_before_pixels=True, force=True)
    if "TransferSyntaxUID" not in tags.file_meta:
        is_implicit, is_little = tags.original_encoding
        plain = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        tags.file_meta = FileMetaDataset()
        tags.file_meta.TransferSyntaxUID = plain
    return tags, file


def _inflate(start: bytes, file: BinaryIO) -> bytes:
    """Return the data set of a deflated file; it lies behind the facts about the file, whose length these say."""
    place = start.find(b"\x02\x00\x00\x00UL\x04\x00")
    if place < 0:
        raise DicomError("is a damaged DICOM file: deflated, without the length of its header")
    file.seek(place + 12 + int.from_bytes(start[place + 8 : place + 12], "little"))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    found = inflater.decompress(file.read(), INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise DicomError(f"is a deflated DICOM file of more than {INFLATED_BYTES:,} bytes")
    return found


def _find_image(tags: Dataset, file: BinaryIO) -> DicomImage:
    keyword, vr, length = _find_pixels(tags, file)
    name = _name_class(tags)
    if not keyword or not tags.get("Rows") or not tags.get("Columns") or name in NO_PICTURES:
        raise DicomError(f"is {name_object(name)}")
    rows, columns = int(tags.Rows), int(tags.Columns)
    samples, bits = int(tags.get("SamplesPerPixel") or 1), _count_bits(tags, keyword)
    if samples not in (1, 3):
        raise DicomError(f"is a DICOM image with {samples} samples per pixel; 1 and 3 are read")
    frames = max(1, int(tags.get("NumberOfFrames") or 1))
    is_compressed = tags.file_meta.TransferSyntaxUID.is_encapsulated
    if is_compressed != (length == UNDEFINED_LENGTH) and not is_compressed:
        raise DicomError("is a damaged DICOM file: compressed pixels, and nothing says in which way")
    return DicomImage(tags, file, keyword, vr, is_compressed, rows, columns, samples, bits, frames)


def _find_pixels(tags: Dataset, file: BinaryIO) -> tuple[str, str, int]:
    """Go to the first byte of the pixels; return their element's keyword, type and length ("", "", 0 for none)."""
    is_implicit, is_little = tags.original_encoding
    order: Any = "little" if is_little else "big"
    head = file.read(8)
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if len(head) < 8 or tag not in PIXELS:
        return "", "", 0
    if is_implicit or head[4:6] not in _PIXEL_TYPES:  # some writers say explicit, and are not
        return PIXELS[tag], "OW", int.from_bytes(head[4:], order)
    return PIXELS[tag], head[4:6].decode("ascii"), int.from_bytes(file.read(4), order)


def _name_class(tags: Dataset) -> str:
    """The standard's name of what the file is: "CT Image Storage"; "" where it does not say."""
    from pydicom.uid import UID

    found = tags.get("SOPClassUID") or tags.file_meta.get("MediaStorageSOPClassUID") or ""
    return str(UID(str(found)).name) if found else ""


def _count_bits(tags: Dataset, keyword: str) -> int:
    if keyword != "PixelData":
        return 32 if keyword == "FloatPixelData" else 64
    allocated = int(tags.get("BitsAllocated") or 8)
    return min(int(tags.get("BitsStored") or allocated), allocated)

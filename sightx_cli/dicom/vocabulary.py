"""DICOM's names in words that a reader of messages knows: kinds of objects without an image, kinds of compression."""

from __future__ import annotations

INSTALL_HINT = 'install the reader: pip install "sightx-cli[medical]"'
"""Brings pydicom and the decoders, all of permissive licences."""

_OBJECTS = (
    ("Media Storage Directory", "directory (DICOMDIR)"),
    ("Presentation State", "presentation state"),
    ("Key Object Selection", "selection of key images"),
    ("Structured Report", "structured report"),
    (" SR", "structured report"),
    ("Encapsulated", "document"),
    ("PDF", "PDF document"),
    ("Structure Set", "structure set of radiotherapy"),
    ("RT Dose", "dose of radiotherapy"),
    ("RT ", "plan or record of radiotherapy"),
    ("Segmentation", "segmentation (a mask of another image)"),
    ("Waveform", "waveform"),
    ("ECG", "waveform"),
    ("Audio", "waveform"),
    ("Video", "video"),
    ("Spectroscopy", "spectroscopy"),
    ("Registration", "registration of other images"),
    ("Fiducials", "list of fiducials"),
    ("Real World Value", "mapping of values"),
    ("Raw Data", "raw data"),
)
"""What stands in the standard's name of a storage class, and what that is called; the first that is found counts."""

NO_PICTURES = ("Segmentation Storage", "RT Dose Storage", "Label Map Segmentation Storage")
"""Classes with pixels that are no picture to classify: they belong to another image."""

_SYNTAXES = (
    ("JPEG-LS", "JPEG-LS"),
    ("High-Throughput JPEG 2000", "high-throughput JPEG 2000"),
    ("JPEG 2000", "JPEG 2000"),
    ("JPEG Lossless", "lossless JPEG"),
    ("JPEG", "JPEG"),
    ("RLE", "RLE"),
    ("MPEG", "MPEG video"),
    ("HEVC", "HEVC video"),
    ("SMPTE", "SMPTE video"),
)


def name_object(sop_class: str) -> str:
    """Name what a DICOM file without an image is by the standard's name of its storage class, to go on from "is"."""
    found = next((words for part, words in _OBJECTS if part in sop_class), "")
    if found:
        return f"a DICOM {found}, no image"
    plain = sop_class.removesuffix(" Storage")
    known = plain and not plain[0].isdigit()  # a number is what the standard has no name for
    return "a DICOM file without an image" + f" (it calls itself {plain})" * bool(known)


def name_syntax(transfer_syntax: str) -> str:
    """Name a compression by the standard's name of the transfer syntax: "JPEG 2000"; "" for one that is not known."""
    return next((words for part, words in _SYNTAXES if part in transfer_syntax), "")

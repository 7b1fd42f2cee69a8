"""What a file is that no reader takes, by its first bytes: a sound file of another kind is never called damaged."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

AGAIN = "copy it again from its source"
AS_IMAGE = "save it as PNG or JPEG, and try again"
UNPACK = "unpack it, and give the folder of images"
STILLS = "save its frames as images, and give the folder of them"
SLICES = "save its slices as 16-bit PNG or TIFF"
DEVELOP = "develop it to JPEG or TIFF with the camera's program, and try again"
READ = "SightX reads JPEG, PNG, TIFF, BMP, GIF, WebP, AVIF, JPEG 2000 and PBM/PGM/PPM files"


@dataclass(frozen=True)
class FileKind:
    """A kind of file that is not read: what it is called, the endings it has by right, and what to do."""

    what: str
    suffixes: tuple[str, ...] = ()
    hint: str = AS_IMAGE


HEIC = FileKind(
    "a HEIC photograph",
    (".heic", ".heif", ".hif"),
    'install the reader: pip install "sightx-cli[heif]", or save it as JPEG',
)
NIFTI = FileKind("a NIfTI volume", (".nii", ".gz"), SLICES)
RAW = FileKind("a camera's raw file", (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".rw2", ".orf", ".pef"), DEVELOP)
ZIP = FileKind("a ZIP archive", (".zip",), UNPACK)
VIDEO = FileKind("a video", (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".wmv", ".mpg"), STILLS)
HTML = FileKind("an HTML page (what a download that failed leaves)", (".html", ".htm"), "download it again")
POINTER = "a Git LFS pointer, not the image itself"

_AT: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"%PDF", FileKind("a PDF document", (".pdf",), "save its pages as PNG, and try again")),
    (0, b"version https://git-lfs.github.com", FileKind(POINTER, (), "fetch the images: git lfs pull")),
    (
        0,
        b"/annex/objects/",
        FileKind("a git-annex pointer, not the image itself", (), "fetch the images: git annex get ."),
    ),
    (0, b"PK\x05\x06", FileKind("an empty ZIP archive", (".zip",), AGAIN)),
    (0, b"7z\xbc\xaf", FileKind("a 7-Zip archive", (".7z",), UNPACK)),
    (0, b"Rar!", FileKind("a RAR archive", (".rar",), UNPACK)),
    (257, b"ustar", FileKind("a tar archive", (".tar",), UNPACK)),
    (0, b"BZh", FileKind("a bzip2 archive", (".bz2",), UNPACK)),
    (0, b"\xfd7zXZ", FileKind("an xz archive", (".xz",), UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileKind("a Zstandard archive", (".zst",), UNPACK)),
    (
        128,
        b"DICM",
        FileKind("a DICOM file", (".dcm", ".dicom"), 'install the reader: pip install "sightx-cli[medical]"'),
    ),
    (344, b"n+1\0", NIFTI),
    (344, b"ni1\0", NIFTI),
    (0, b"NRRD", FileKind("an NRRD volume", (".nrrd",), SLICES)),
    (0, b"ObjectType", FileKind("a MetaImage volume", (".mha", ".mhd"), SLICES)),
    (0, b"\x89HDF", FileKind("an HDF5 file", (".h5", ".hdf5", ".mat"), SLICES)),
    (0, b"\x93NUMPY", FileKind("a NumPy array", (".npy",), "save its images as PNG or TIFF")),
    (0, b"MATLAB 5.0", FileKind("a MATLAB file", (".mat",), "save its images as PNG or TIFF")),
    (0, b"SIMPLE  =", FileKind("a FITS image", (".fits", ".fit"), "save it as 16-bit PNG or TIFF")),
    (0, b"ZISRAWFILE", FileKind("a Zeiss CZI file", (".czi",), "export it as TIFF")),
    (0, b"\xda\xce\xbe\x0a", FileKind("a Nikon ND2 file", (".nd2",), "export it as TIFF")),
    (0, b"\x70\0\0\0", FileKind("a Leica LIF file", (".lif",), "export it as TIFF")),
    (0, b"\xd0\xcf\x11\xe0", FileKind("an old Office document, or a microscope's file", (".doc", ".oib"), "export it")),
    (4, b"ftypcrx", RAW),
    (8, b"CR\x02\0", RAW),
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIU\0", RAW),
    (0, b"IIRO", RAW),
    (0, b"IIRS", RAW),
    (0, b"MMOR", RAW),
    (0, b"FOVb", RAW),
    (4, b"ftypqt", VIDEO),
    (8, b"AVI ", VIDEO),
    (0, b"\x1a\x45\xdf\xa3", VIDEO),
    (0, b"\0\0\x01\xba", VIDEO),
    (0, b"0&\xb2u\x8ef\xcf\x11", VIDEO),
    (8, b"WAVE", FileKind("a sound file", (".wav",), "give images")),
    (0, b"ID3", FileKind("a sound file", (".mp3",), "give images")),
    (0, b"8BPS", FileKind("a Photoshop document", (".psd", ".psb"))),
    (0, b"gimp xcf", FileKind("a GIMP document", (".xcf",))),
    (0, b"%!PS", FileKind("a PostScript drawing", (".ps", ".eps", ".ai"))),
    (0, b"\xc5\xd0\xd3\xc6", FileKind("a PostScript drawing", (".eps",))),
    (0, b"\xff\x0a", FileKind("a JPEG XL image", (".jxl",))),
    (4, b"JXL ", FileKind("a JPEG XL image", (".jxl",))),
    (0, b"II\xbc\x01", FileKind("a JPEG XR image", (".jxr", ".wdp", ".hdp"))),
    (0, b"\x76\x2f\x31\x01", FileKind("an OpenEXR image", (".exr",), "save it as float TIFF")),
    (0, b"#?RADIANCE", FileKind("a Radiance HDR image", (".hdr",), "save it as float TIFF")),
    (0, b"\0\0\x01\0", FileKind("a Windows icon", (".ico",))),
    (0, b"icns", FileKind("a macOS icon", (".icns",))),
    (0, b"DDS ", FileKind("a DDS texture", (".dds",))),
    (0, b"AT&TFORM", FileKind("a DjVu document", (".djvu",))),
    (0, b"qoif", FileKind("a QOI image", (".qoi",))),
    (0, b"PF\n", FileKind("a colour PFM image", (".pfm",), "save it as float TIFF")),
    (0, b"\xd7\xcd\xc6\x9a", FileKind("a Windows metafile", (".wmf",))),
    (40, b" EMF", FileKind("a Windows metafile", (".emf",))),
    (0, b"\0\x05\x16\x07", FileKind("a macOS side file (a name with ._), not the image", (), "leave it out")),
    (0, b"L\0\0\0\x01\x14\x02\0", FileKind("a Windows shortcut, not the image", (".lnk",), "copy the image itself")),
    (0, b"[InternetShortcut]", FileKind("a link to a web page, not the image", (".url",), "download the image itself")),
    (0, b"\x7fELF", FileKind("a program", (), "give images")),
    (0, b"MZ", FileKind("a program", (".exe", ".dll"), "give images")),
    (0, b"SQLite format 3", FileKind("a database", (".db", ".sqlite"), "give images")),
)
"""Where in the file, which bytes, and what it is then; the first that fits."""

_IMAGES = {
    **{b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"},
    **{b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000"},
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_VIDEO_BRANDS = (b"iso", b"mp4", b"avc", b"M4V", b"3gp", b"3g2")
_LEAST_TEXT = 4
_SHORT, _SUBFILE, _MAKE, _INNER, _DNG_VERSION = 3, 254, 271, 330, 50706
"""A type of TIFF's values, and tags."""
_SOF_REASONS = {3: "a lossless JPEG", 7: "a lossless JPEG", 5: "a differential JPEG", 6: "a differential JPEG"}


def find_kind_of_file(start: bytes, path: str | Path) -> FileKind | None:
    """Tell what a file is from its first bytes (some hundreds at least); None where they say nothing."""
    for place, signature, kind in _AT:
        if start.startswith(signature, place):
            return kind
    if start[4:8] == b"ftyp":
        brands = start[8:12] + start[16:64]
        if b"avif" in brands:
            return FileKind("an AVIF image, for which this Pillow was built without a decoder", (".avif",))
        return HEIC if is_heif_start(start) else VIDEO
    if start.startswith(b"PK\x03\x04"):
        office = b"[Content_Types].xml" in start or b"mimetype" in start[:64]
        return (
            FileKind("an Office document", (".docx", ".pptx", ".xlsx", ".odt"), "save its pictures") if office else ZIP
        )
    if start.startswith(b"\x1f\x8b"):
        return _look_into_gzip(start)
    if start.startswith((b"II*\0", b"MM\0*")) and (Path(path).suffix.lower() in RAW.suffixes or is_raw_start(start)):
        return RAW
    if start and not start.strip(b"\0"):
        return FileKind("nothing but zero bytes (a copy or download that was cut off)", (), AGAIN)
    return _look_into_text(start)


def is_raw_start(start: bytes) -> bool:
    """Whether a TIFF is a camera's raw file by its first directory, as bytes have no name: its page is a thumbnail.

    It has DNG's version, or is a smaller copy of what stands in directories of its own (TIFF/EP).
    """
    order: Literal["little", "big"] = "little" if start.startswith(b"II") else "big"
    place = int.from_bytes(start[4:8], order)
    tags = {}
    for entry in range(place + 2, place + 2 + 12 * int.from_bytes(start[place : place + 2], order), 12):
        if len(start) < entry + 12:
            break
        kind = int.from_bytes(start[entry + 2 : entry + 4], order)
        tags[int.from_bytes(start[entry : entry + 2], order)] = int.from_bytes(
            start[entry + 8 : entry + (10 if kind == _SHORT else 12)], order
        )
    is_copy = bool(tags.get(_SUBFILE, 0) & 1) and {_MAKE, _INNER} <= tags.keys()
    return _DNG_VERSION in tags or is_copy


def is_heif_start(start: bytes) -> bool:
    """Whether a file that begins so names the brands of HEIC, or of the container that it shares with AVIF."""
    brands = start[8:12] + start[16:64]
    is_still = start[4:8] == b"ftyp" and start[8:11] not in _VIDEO_BRANDS
    return is_still and any(brand in brands for brand in _HEIF_BRANDS)


def describe_file(path: str | Path, start: bytes) -> tuple[str, str]:
    """Say what a file is that no reader takes, as a reason and a hint for `ImageFileError`."""
    kind = find_kind_of_file(start, path)
    if kind is not None:
        return name_kind(kind, path), kind.hint
    if unusual := describe_jpeg(start):
        return unusual, AS_IMAGE
    for signature, name in _IMAGES.items():
        if start.startswith(signature):
            return f"begins as a {name}, but the rest is cut off or damaged", AGAIN
    text = _read_text(start)
    if text:
        return f"is not a readable image (it holds text: {text[:24]!r} …)", READ
    return f"is not a readable image (its first bytes are {start[:4].hex(' ')})", READ


def name_kind(kind: FileKind, path: str | Path) -> str:
    """Say that a file is of a kind, and under which ending it goes where that is another's."""
    suffix = Path(path).suffix
    named = f" named {suffix}" if suffix and kind.suffixes and suffix.lower() not in kind.suffixes else ""
    return f"is {kind.what}{named}"


def describe_jpeg(start: bytes) -> str:
    """Say what makes a JPEG one that Pillow does not decode though it is sound, as a reason; empty for others."""
    place = 2
    while start.startswith(b"\xff\xd8") and place + 9 < len(start) and start[place] == 0xFF:
        marker = start[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            precision, kind = start[place + 4], _SOF_REASONS.get(marker - 0xC0)
            if kind is None and marker > 0xC8:
                kind = "a JPEG with arithmetic coding"
            if kind is None and precision != 8:
                kind = f"a JPEG with {precision} bits per channel"
            return f"is {kind}, which is not read" if kind else ""
        place += 2 + int.from_bytes(start[place + 2 : place + 4], "big")
    return ""


def _look_into_gzip(start: bytes) -> FileKind:
    try:
        inside = zlib.decompressobj(31).decompress(start, 512)
    except zlib.error:
        inside = b""
    return NIFTI if inside[344:348] in (b"n+1\0", b"ni1\0") else FileKind("a gzip archive", (".gz", ".tgz"), UNPACK)


def _look_into_text(start: bytes) -> FileKind | None:
    """Tell the kinds that are text: web pages, drawings, other markup."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:4096].lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return HTML
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")):
        if b"<svg" in text:
            return FileKind("an SVG drawing", (".svg",))
        return HTML if b"<html" in text else FileKind("an XML document", (".xml",), "download the image itself")
    if text.startswith((b"<error", b'{"error', b'{"message')):
        return FileKind("an error message from a download", (), "download it again")
    return None


def _read_text(start: bytes) -> str:
    """Return the first line of what is text; empty for other bytes."""
    try:
        text = start[:256].decode("utf-8", "ignore" if len(start) > 256 else "strict")
    except UnicodeDecodeError:
        return ""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) >= _LEAST_TEXT and line.isprintable() else ""

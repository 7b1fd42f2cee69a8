"""Tells images from other files: by their ending where that is known, else by their first bytes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from sightx_cli.data.readers import READERS, list_suffixes

Kind = Literal["image", "text", "unknown"]

OTHER_IMAGES = ".dcm .dicom .nii .nrrd .mha .mhd .jp2 .j2k .avif .heic .heif .svs .ndpi .czi .raw .dng .cr2 .nef .npy"
"""Endings of images that are left out, and said, unless a reader takes them."""
NO_IMAGES = (
    ".txt .csv .tsv .json .jsonl .xml .md .rst .html .htm .css .log .yaml .yml .toml .ini .cfg .conf .lst .names .pdf "
    ".doc .docx .odt .rtf .xls .xlsx .xlsm .ods .ppt .pptx .svg .eps .ps .psd .xcf .ai .py .pyc .ipynb .r .rmd .m "
    ".mat .sh .bat .ps1 .c .cpp .h .java .js .url .lnk .exe .dll .so .zip .gz .tar .tgz .bz2 .xz .7z .rar .iso .db "
    ".sqlite .sql .bak .md5 .sha1 .sha256 .parquet .pq .arrow .feather .pkl .pickle .npz .h5 .hdf5 .tfrecord .lmdb "
    ".mdb .pt .pth .ckpt .onnx .safetensors .pb .tflite .bin .mp4 .avi .mov .mkv .webm .wmv .mpg .mpeg .mp3 .wav .ogg "
    ".flac .aae .xmp .thm"
)
"""Endings of files that are no images: they are counted and never opened."""

START_BYTES = 512
"""How much of a file is read: DICOM writes its name behind 128 bytes."""
OPENED_AT_MOST = 4_000
"""Of an ending (or of none) whose first so many files are all images, or all none, no more are opened: opening takes
0.03 ms a file from a local disk and some ms from a network's, and listing should take seconds."""
THREADS = 8
"""Files that are opened at a time: a network disk answers each late, and many at once."""
_CHUNK = 64

_OTHER_IMAGES, _NO_IMAGES = frozenset(OTHER_IMAGES.split()), frozenset(NO_IMAGES.split())
_ENDING = re.compile(r"\.(?=[a-z0-9_]*[a-z])[a-z0-9_]{1,10}")
_ASCII_IMAGE = re.compile(rb"P[1-6][\s#]")


def find_ending(name: str) -> str:
    """Return the ending of a file's name in lower case, or "": 1.2.840.113619 and photo.jpg?width=300 have none."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a third of a Path's time
    return suffix if _ENDING.fullmatch(suffix) else ""


def has_image_ending(name: str) -> bool:
    """Whether a file is taken for an image by its name alone."""
    return os.path.splitext(name)[1].lower() in list_suffixes()  # noqa: PTH122 - as above


def sort_by_ending(name: str) -> str:
    """Return what a file's ending says: "other" (an image that is not read), "none" (no image), or "unknown"."""
    ending = find_ending(name)
    return "other" if ending in _OTHER_IMAGES else "none" if ending in _NO_IMAGES else "unknown"


class FileKinds:
    """Tells files of unknown endings by their first bytes, and remembers what those of each ending were."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[Kind]] = {}
        self.assumed: Counter[str] = Counter()
        """How many files of each ending were not opened, but taken for what those before were."""

    def tell(self, folder: Path, names: Sequence[str]) -> list[Kind]:
        """Tell what each file is: an image that a reader takes, text, or unknown. All must be ordinary files.

        A file that may not be opened is an image: whoever reads it says why it cannot be read.
        """
        kinds: list[Kind] = []
        for begin in range(0, len(names), THREADS * _CHUNK):
            some = names[begin : begin + THREADS * _CHUNK]
            sure = {ending: self._settle(ending) for ending in {find_ending(name) for name in some}}
            opened = [folder / name for name in some if sure[find_ending(name)] is None]
            told = iter(_read_kinds(opened))
            for name in some:
                settled = sure[find_ending(name)]
                if settled is None:
                    kind = next(told)
                else:
                    kind = settled
                    self.assumed[find_ending(name)] += 1
                kinds.append(kind)
                self._found.setdefault(find_ending(name), Counter())[kind] += 1
        return kinds

    def _settle(self, ending: str) -> Kind | None:
        """Return what all files of this ending were, if they were enough to go by."""
        found = self._found.get(ending, Counter())
        return next(iter(found)) if len(found) == 1 and found.total() >= OPENED_AT_MOST else None


def _read_kinds(paths: Sequence[Path]) -> list[Kind]:
    if len(paths) <= _CHUNK:
        return [_read_kind(path) for path in paths]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_read_kind, paths, chunksize=1))


def _read_kind(path: Path) -> Kind:
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(START_BYTES)
    except OSError:
        return "image"
    is_text = _is_text(start)
    if is_text and not _ASCII_IMAGE.match(start):  # a text may begin with BM, too
        return "text"
    return "image" if any(reader.recognises(start) for reader in READERS.values()) else "unknown"


def _is_text(start: bytes) -> bool:
    text = start.decode("utf-8", "replace").rstrip("\ufffd")  # a letter may be cut
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text)

"""Lists the image files of a folder: recursively, in natural order, each folder once even if links form a loop."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sightx_cli.data.readers import list_suffixes
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

_OTHER_IMAGES = frozenset(
    ".dcm .dicom .nii .nrrd .mha .mhd .jp2 .j2k .avif .heic .heif .svs .ndpi .czi .raw .dng .cr2 .nef .npy".split()  # noqa: SIM905
)
_IGNORED_FOLDERS = frozenset(("__macosx", "@eadir", "$recycle.bin", "__pycache__"))


@dataclass
class Listing:
    """What was found on the way: images are yielded, the rest is counted here and reported once."""

    visited: set[tuple[int, int] | Path] = field(default_factory=set)
    other_images: Counter[str] = field(default_factory=Counter)
    misnamed: int = 0

    def list_notices(self) -> tuple[Notice, ...]:
        """Say what the user should know about the files that were left out."""
        found = []
        if self.other_images:
            kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in self.other_images.most_common(4))
            text = f"left out files of unsupported formats: {kinds} (convert them to PNG, TIFF or JPEG)"
            found.append(Notice("other-files", text, self.other_images.total(), warns=True))
        if self.misnamed:
            text = f"left out {self.misnamed:,} files whose names are not valid UTF-8 (rename them)"
            found.append(Notice("misnamed-files", text, self.misnamed, warns=True))
        return tuple(found)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which scan2 comes before scan10; upper and lower case sort together."""
    parts = re.split(r"0*([0-9]+)", name.casefold())
    # Numbers are compared by length and then as text: Python converts none of more than 4,300 digits.
    return *((0, len(part), part) if place % 2 else (1, 0, part) for place, part in enumerate(parts) if part), (
        2,
        0,
        name,
    )


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image; hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in list_suffixes()


def list_folder(folder: Path) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The folders and the files in a folder, in natural order, without hidden ones, `__MACOSX` and the like.

    Raises: `DataError` if the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            shown = sorted(
                (entry for entry in entries if not _is_ignored(entry.name)), key=lambda e: natural_key(e.name)
            )
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be read: {error.strerror}",
            f"check its permissions: ls -ld {quote(folder)}",
        ) from error
    folders = [entry for entry in shown if _is_folder(entry)]
    return folders, [entry for entry in shown if not _is_folder(entry)]


def list_images(folder: Path, listing: Listing) -> Iterator[Path]:
    """The image files in a folder and the folders below it; links to folders are followed, each folder is read once.

    The caller marks the folder itself as visited. A link to a missing file is listed, so that it is
    reported rather than lost.

    Raises: `DataError` if a folder cannot be read.
    """
    folders, files = list_folder(folder)
    for entry in files:
        if not is_image_name(entry.name):
            suffix = Path(entry.name).suffix.lower()
            if suffix in _OTHER_IMAGES:
                listing.other_images[suffix] += 1
        elif not is_valid_text(entry.name):
            listing.misnamed += 1
        else:
            yield folder / entry.name  # also a pipe or a broken link: reported as unreadable, and never opened
    for entry in folders:
        if not is_valid_text(entry.name):
            listing.misnamed += 1
        elif mark_visited(folder / entry.name, listing):
            yield from list_images(folder / entry.name, listing)


def mark_visited(folder: Path, listing: Listing) -> bool:
    """Record that a folder has been entered; False if it was entered before, under this name or through a link.

    Raises: `DataError` if the folder cannot be accessed.
    """
    try:
        state = folder.stat()
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be read: {error.strerror}", f"check its permissions: ls -ld {quote(folder)}"
        ) from error
    # Windows numbers no files on some network drives: there a folder is known by its path.
    identity = (state.st_dev, state.st_ino) if state.st_ino else folder.resolve()
    if identity in listing.visited:
        return False
    listing.visited.add(identity)
    return True


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _IGNORED_FOLDERS


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def is_valid_text(name: str) -> bool:
    """Whether a name is valid UTF-8, which file names need not be."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

"""What lies where in a tar file: its members with the place of their bytes, and what of it cannot be used.

The format is POSIX tar as `tarfile`, `webdataset.TarWriter` and tar(1) write it. Headers are read and contents passed
over, so that a shard of a gigabyte takes a fraction of a second.
"""

from __future__ import annotations

import functools
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sightx_cli.data.packed.shard_faults import ShardError, ShardFaults
from sightx_cli.data.readers.base import ImageFileError
from sightx_cli.errors import quote
from sightx_cli.filesystem import check_ordinary

_PACKERS = (
    (b"\x1f\x8b", "gzip", "gunzip", (".gz", ".tgz")),
    (b"BZh", "bzip2", "bunzip2", (".bz2", ".tbz2")),
    (b"\xfd7zXZ", "xz", "unxz", (".xz", ".txz")),
    (b"\x28\xb5\x2f\xfd", "Zstandard", "unzstd", (".zst", ".tzst")),
)
_ZIP = b"PK"
_BEHIND_BYTES = 65_536
"""So much behind a tar's end mark is looked at: tar pads its files with zeros to 10,240 bytes."""


class TarMember(NamedTuple):
    """One file in a tar: its name, where its bytes begin, and how many they are."""

    name: str
    offset: int
    size: int


@dataclass
class TarIndex:
    """The ordinary files of a tar, in its order, and what was left out."""

    members: list[TarMember] = field(default_factory=list)
    faults: ShardFaults = field(default_factory=ShardFaults)


def read_tar_index(path: Path) -> TarIndex:
    """Read where everything in a tar lies; what is cut off, or no ordinary file, is left out and counted.

    Raises: `ShardError` for a file that is no tar, or compressed: no image of it could be read by itself.
    """
    index = TarIndex()
    try:
        check_ordinary(path)
        refuse_compressed(path)
        length = path.stat().st_size
        with tarfile.open(path, "r:") as archive:
            for member in _walk(archive, path, index.faults):
                _add(member, length, path, index)
    except tarfile.ReadError as error:
        if not index.members:
            raise ShardError(path, f"is no readable tar file ({error})", "copy it again, or pack it again") from error
        if not index.faults.counts["cut"]:  # of a member within its bytes; here it is a header
            index.faults.add("cut", path.name)
    except OSError as error:
        raise ShardError(path, f"cannot be read: {error.strerror or error}") from error
    return index


def refuse_compressed(path: Path) -> None:
    """Raise `ShardError` for what is compressed: bytes within it have no place of their own."""
    with path.open("rb") as file:
        start = file.read(8)
    for mark, name, command, suffixes in _PACKERS:
        if start.startswith(mark):
            plain = path.with_name(f"{path.name.partition('.')[0]}-plain.tar")
            is_named = path.suffix.lower() in suffixes  # else the program refuses it
            raise ShardError(
                path,
                f"is compressed with {name}, so that no image of it can be read by itself",
                f"{command} {{path}}" if is_named else f"{command} < {{path}} > {quote(plain)}",
            )
    if start.startswith(_ZIP):
        raise ShardError(path, "is a ZIP archive, which is not read", "unzip {path}, and give the folder")


@functools.lru_cache(maxsize=16)
def _find_members(path: str, size: int, changed_ns: int) -> dict[str, tuple[int, int]]:  # noqa: ARG001 - of one state
    return {one.name: (one.offset, one.size) for one in read_tar_index(Path(path)).members}


def find_member(path: str, name: str) -> tuple[int, int]:
    """Return where a member's bytes begin in a tar and how many they are; raises `ImageFileError` for none."""
    state = os.stat(path)  # noqa: PTH116
    place = _find_members(path, state.st_size, state.st_mtime_ns).get(name)
    if place is None:
        raise ImageFileError(f"{path}::{name}", "is not in that tar file", f"see what is: tar tf {path}")
    return place


def _walk(archive: tarfile.TarFile, path: Path, faults: ShardFaults) -> Iterator[tarfile.TarInfo]:
    """Yield the members one by one, holding none; say where the file ends otherwise than a tar does."""
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined] # tarfile keeps them all: 500 bytes for each
        yield member
    with path.open("rb") as file:
        file.seek(archive.offset)
        behind = file.read(_BEHIND_BYTES)
    if not behind:
        faults.add("unmarked", path.name)
    elif any(behind[: tarfile.BLOCKSIZE]):
        faults.add("damaged", path.name)
    elif any(behind):
        faults.add("behind", path.name)


def _add(member: tarfile.TarInfo, length: int, path: Path, index: TarIndex) -> None:
    if member.isdir():
        return
    name = member.name.removeprefix("./")
    shown = f"{path.name}::{name}"
    parts = name.split("/")
    if parts[-1].startswith(".") or "__MACOSX" in parts:
        index.faults.add("hidden", shown)
    elif not member.isreg() or member.issparse() or ".." in parts or name.startswith("/"):
        index.faults.add("unsafe", shown)
    elif not _is_text(name):
        index.faults.add("misnamed", path.name)
    elif member.offset_data + member.size > length:
        index.faults.add("cut", shown)
    else:
        index.members.append(TarMember(name, member.offset_data, member.size))


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

"""Graph files on disk: sealed with checksums when written, checked when read. Never imports torch.

OpenVINO silently reads a graph with a flipped bit and computes something else. So the .xml ends with a comment, which
OpenVINO ignores, that holds the checksums of its own text and of the weights in the .bin beside it.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from sightx_cli.filesystem import check_ordinary, read_checksum

_SEAL = re.compile(rb"<!-- crc32 ([0-9a-f]{8}) ([0-9a-f]{8}) -->\n")
BATCH_SUFFIX = ".batch.json"
"""How the name of what is known of a graph's batches ends, in place of .xml (`engine.batch_trial`)."""
_SEAL_BYTES = len(b"<!-- crc32 00000000 00000000 -->\n")


def list_graph_files(path: Path) -> tuple[Path, ...]:
    """List what belongs to a graph (.xml): itself, which goes first, its weights, and what is known of its batches."""
    return path, path.with_suffix(".bin"), path.with_suffix(BATCH_SUFFIX)


def seal_graph(path: Path) -> None:
    """Add the checksums to a graph just saved as `path` (.xml) and .bin."""
    seal = f"<!-- crc32 {zlib.crc32(path.read_bytes()):08x} {read_checksum(path.with_suffix('.bin')):08x} -->\n"
    with path.open("ab") as file:
        file.write(seal.encode())


def check_graph(path: Path) -> None:
    """Raise RuntimeError when a sealed graph is missing or not what was written."""
    try:
        for file in (path, path.with_suffix(".bin")):
            check_ordinary(file)
        text = path.read_bytes()
        weights = read_checksum(path.with_suffix(".bin"))
    except OSError as error:
        raise RuntimeError(f"{path}: cannot be read ({error.strerror})") from error
    seal = _SEAL.fullmatch(text[-_SEAL_BYTES:])
    if seal is None or (int(seal[1], 16), int(seal[2], 16)) != (zlib.crc32(text[:-_SEAL_BYTES]), weights):
        raise RuntimeError(f"{path}: the checksum does not match")

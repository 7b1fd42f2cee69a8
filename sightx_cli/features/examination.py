"""Reads every image file once: what its header says, a digest of its pixels, a small grey picture. Kept by content.

What is kept lies in the store of outputs (`features.store`), one row per file by the digest of its bytes, all of it as
whole numbers that half precision holds exactly (0 to 2,048): a second look at the same files decodes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightx_cli.data.checks import Unreadable
from sightx_cli.data.fingerprint import Header
from sightx_cli.data.readers.raster import FORMATS, ImageFileError, measure_header, read_image
from sightx_cli.errors import DataError
from sightx_cli.features.outputs import READING_VERSION
from sightx_cli.features.store import OutputStore, digest_key
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Listener

if TYPE_CHECKING:
    import pandas as pd

EXAMINATION_VERSION = 1
"""Part of the address in the store: raised when anything here gives other values than before."""
SIDE_PX = 64
"""Side of the pictures that are compared: the whole image squashed to a square, grey."""
PICTURE = "picture"
FACTS = "facts"
DIGEST_BYTES = 16
SHAPES: Mapping[str, tuple[int, ...]] = {PICTURE: (SIDE_PX, SIDE_PX), FACTS: (7 + DIGEST_BYTES,)}
PART_IMAGES = 2048
"""Images per shard: what a kill can lose."""

_MODES = (
    "1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX", "RGBa", "La",
    "I;16", "I;16L", "I;16B", "I;16N",
)  # fmt: skip
_KNOWN_FORMATS = (*FORMATS, "MPO")
_HALF = 2048  # half precision holds whole numbers up to it


@dataclass(frozen=True)
class Examination:
    """What is known of each image that can be read, row by row in the order of the frame."""

    digests: tuple[str, ...]
    """Of the files' bytes."""
    pixel_digests: tuple[str, ...]
    """Of size and pixels as SightX reads them: the same photograph saved without loss in two formats has one."""
    headers: tuple[Header, ...]
    pictures: NDArray[np.uint8]
    """(N, SIDE_PX, SIDE_PX), grey, the whole image squashed in."""


@dataclass(frozen=True)
class _Look:
    picture: NDArray[np.uint8]
    pixel_digest: bytes
    header: Header


def examine_images(
    frame: pd.DataFrame, store: OutputStore, listener: Listener, task: str = "reading the images"
) -> tuple[pd.DataFrame, Examination, list[Unreadable]]:
    """Examine every image of `frame` (columns image, path); return the rows that can be read, and what was left out.

    Raises: `DataError` if no file at all can be read.
    """
    paths = [str(path) for path in frame["path"]]
    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        digests = list(pool.map(_digest_file, paths))
    address = digest_key({"examination": EXAMINATION_VERSION, "reading": READING_VERSION, "side_px": SIDE_PX})
    looks = _find_kept(store, address, set(digests) - {""})
    missing = {digest: path for digest, path in zip(digests, paths, strict=True) if digest and digest not in looks}
    errors = {path: _explain(path) for digest, path in zip(digests, paths, strict=True) if not digest}
    if missing:
        listener.start(task, len(missing), "images")
        try:
            for part in _divide(missing):
                found, wrong = _look_at(part, listener, task)
                _keep(store, address, found, listener)
                looks |= found
                errors |= {path: wrong[d] for d, path in zip(digests, paths, strict=True) if d in wrong}
        finally:
            listener.finish(task)
    good = np.array([path not in errors for path in paths])
    images = [str(image) for image in frame["image"]]
    unreadable = [Unreadable(image, errors[path]) for image, path in zip(images, paths, strict=True) if path in errors]
    if unreadable and not good.any():
        raise DataError(
            f"none of the {len(paths)} images can be read; the first: {unreadable[0].image} {unreadable[0].error}",
            "check that these are image files and that you may read them",
        )
    kept = [digest for digest, is_good in zip(digests, good, strict=True) if is_good]
    examination = Examination(
        digests=tuple(kept),
        pixel_digests=tuple(looks[digest].pixel_digest.hex() for digest in kept),
        headers=tuple(looks[digest].header for digest in kept),
        pictures=np.stack([looks[digest].picture for digest in kept]),
    )
    return frame[good].reset_index(drop=True), examination, unreadable


def _digest_file(path: str) -> str:
    """Return the digest of a file's bytes, as `features.outputs.digest_files`; empty where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
    except OSError:
        return ""


def _explain(path: str) -> str:
    try:
        read_image(path)
    except ImageFileError as error:
        return error.reason
    return "cannot be read"


def _divide(missing: Mapping[str, str]) -> Iterator[list[tuple[str, str]]]:
    items = iter(missing.items())
    while part := list(islice(items, PART_IMAGES)):
        yield part


def _look_at(part: Sequence[tuple[str, str]], listener: Listener, task: str) -> tuple[dict[str, _Look], dict[str, str]]:
    """Look at (digest, path) pairs in threads; return what was seen, and why the others cannot be read."""

    def look(path: str) -> _Look | str:
        try:
            header = measure_header(path)
            image = read_image(path)
        except ImageFileError as error:
            return error.reason
        grey = image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, reducing_gap=3.0)
        pixels = hashlib.blake2b(repr(image.size).encode() + image.tobytes(), digest_size=DIGEST_BYTES)
        return _Look(np.asarray(grey), pixels.digest(), header)

    found: dict[str, _Look] = {}
    wrong: dict[str, str] = {}
    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        for (digest, _), seen in zip(part, pool.map(look, [path for _, path in part]), strict=True):
            if isinstance(seen, _Look):
                found[digest] = seen
            else:
                wrong[digest] = seen
            listener.advance(task)
    return found, wrong


def _keep(store: OutputStore, address: str, looks: Mapping[str, _Look], listener: Listener) -> None:
    """Keep what was seen, as far as the store has room and the numbers fit it."""
    rows = {digest: _write_facts(look) for digest, look in looks.items()}
    rows = {digest: facts for digest, facts in rows.items() if facts is not None}
    needed = 2 * len(rows) * sum(int(np.prod(shape)) for shape in SHAPES.values())
    if not rows or not store.has_room(needed):
        return
    pictures = np.stack([looks[digest].picture for digest in rows]).astype(np.float32)
    facts = np.array(list(rows.values()), np.float32)
    try:
        with store.write_shard(address, address, list(rows), SHAPES, "what inspect saw of the images") as writer:
            writer.put(0, {PICTURE: pictures, FACTS: facts})
    except OSError as error:
        listener.warn(f"what was seen of the images cannot be kept ({error.strerror}): it is looked at again next time")


def _find_kept(store: OutputStore, address: str, wanted: set[str]) -> dict[str, _Look]:
    looks: dict[str, _Look] = {}
    for shard in store.find_shards(address, address):
        rows = [row for row, digest in enumerate(shard.digests) if digest in wanted]
        if not rows:
            continue
        pictures, facts = shard.arrays[PICTURE][rows].astype(np.uint8), shard.arrays[FACTS][rows].astype(np.int64)
        for row, picture, fact in zip(rows, pictures, facts.tolist(), strict=True):
            looks[shard.digests[row]] = _read_facts(picture, fact)
        shard.release()
    store.dropped.clear()
    return looks


def _write_facts(look: _Look) -> list[int] | None:
    width, height, mode, bits, kind = look.header
    if mode not in _MODES or kind not in _KNOWN_FORMATS or max(width, height) >= _HALF * _HALF:
        return None
    sizes = [*divmod(width, _HALF), *divmod(height, _HALF)]
    return [*sizes, _MODES.index(mode), bits, _KNOWN_FORMATS.index(kind), *look.pixel_digest]


def _read_facts(picture: NDArray[np.uint8], facts: Sequence[int]) -> _Look:
    wide, width, high, height, mode, bits, kind = facts[:7]
    header = (wide * _HALF + width, high * _HALF + height, _MODES[mode], bits, _KNOWN_FORMATS[kind])
    return _Look(picture, bytes(facts[7:]), header)

"""Reads every image file once for inspection: header, a digest of its pixels, a small grey picture; cached by content.

The results are in the store, one row per file under the digest of its bytes: a second look at the same files decodes
nothing.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightx_cli.data.checks import Unreadable, sort_files
from sightx_cli.data.contents import DIGEST_BYTES, ManyFacts, measure_files
from sightx_cli.data.readers import AS_IS, Decoded, Found, Header, Reading, decode_image, holding_pixels, list_packages
from sightx_cli.dicom.pseudonyms import describe_key
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.shards import Column
from sightx_cli.features.store import FeatureStore
from sightx_cli.progress import Listener

if TYPE_CHECKING:
    import pandas as pd

SIDE_PX = 64
"""Side of the pictures that are compared: the whole image squashed to a square, grey."""
PICTURE, PIXELS, FOUND = "picture", "pixels", "found"
FOUND_BYTES = 1024
"""Room for what was found in a file, as JSON."""
COLUMNS = {
    PICTURE: Column((SIDE_PX, SIDE_PX), "uint8"),
    PIXELS: Column((DIGEST_BYTES,), "uint8"),
    FOUND: Column((FOUND_BYTES,), "uint8"),
}
PART_IMAGES = 2048
"""Images per shard: the most that a killed process loses."""


@dataclass(frozen=True)
class Examination:
    """What is known about each readable image, row by row in the order of the frame."""

    digests: tuple[str, ...]
    """Of the files' bytes."""
    pixel_digests: tuple[str, ...]
    """Of size and pixels as SightX reads them: one photograph saved losslessly in two formats has one digest."""
    headers: tuple[Header, ...]
    pictures: NDArray[np.uint8]
    """(N, SIDE_PX, SIDE_PX), grey, the whole image squashed in."""
    found: tuple[Found, ...] = ()
    """What each file held."""
    reading: Reading = AS_IS
    """How the pixels were taken from the files."""


@dataclass(frozen=True)
class _Look:
    picture: NDArray[np.uint8]
    pixel_digest: NDArray[np.uint8]
    found: Found


def examine_images(
    frame: pd.DataFrame,
    store: FeatureStore | None,
    listener: Listener,
    task: str = "reading the images",
    reading: Reading = AS_IS,
) -> tuple[pd.DataFrame, Examination, list[Unreadable]]:
    """Examine every image of `frame` (columns image, path); return the readable rows, what was found, the rest.

    Without a store nothing is cached. Raises: `DataError` if no file at all can be read.
    """
    drawn = {"examination": SIDE_PX, "reading": asdict(reading), "pseudonyms": describe_key()}
    address = digest_key(drawn, list_packages())
    looks = _find_cached(store, address) if store is not None else {}
    lock = threading.Lock()

    def look(path: str, digest: str, data: bytes | None) -> Found:
        seen = looks.get(digest)
        if seen is None:
            with holding_pixels():
                seen = _look_at(decode_image(path, data=data, reading=reading))
            with lock:
                looks[digest] = seen
        return seen.found

    paths = [str(path) for path in frame["path"]]
    facts = ManyFacts(len(paths))
    listener.start(task, len(paths), "images")
    try:
        for start in range(0, len(paths), PART_IMAGES):
            known = set(looks)
            part = paths[start : start + PART_IMAGES]
            measured = measure_files(part, look, partial(listener.advance, task), reading=reading)
            for place, one in enumerate(measured, start):
                facts.put(place, one)
            if store is not None:
                _cache(store, address, {digest: seen for digest, seen in looks.items() if digest not in known})
                store.tell(listener)
    finally:
        listener.finish(task)
    checked = sort_files(frame, facts)
    digests = tuple(checked.frame["digest"])
    examination = Examination(
        digests=digests,
        pixel_digests=tuple(looks[digest].pixel_digest.tobytes().hex() for digest in digests),
        headers=tuple(checked.headers),
        pictures=np.stack([looks[digest].picture for digest in digests]),
        found=tuple(checked.found),
        reading=reading,
    )
    return checked.frame, examination, checked.unreadable


def _look_at(decoded: Decoded) -> _Look:
    image = decoded.image if decoded.image.mode == "RGB" else decoded.image.convert("RGB")
    grey = image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, reducing_gap=3.0)
    pixels = hashlib.blake2b(repr(image.size).encode() + image.tobytes(), digest_size=DIGEST_BYTES)
    return _Look(np.asarray(grey), np.frombuffer(pixels.digest(), np.uint8), decoded.found)


def _cache(store: FeatureStore, address: str, looks: Mapping[str, _Look]) -> None:
    """Cache the results, if the store has room; what is too long to be kept is read again next time."""
    looks = {digest: look for digest, look in looks.items() if len(_write(look.found)) <= FOUND_BYTES}
    if not looks or not store.has_room(len(looks) * sum(column.row_bytes for column in COLUMNS.values())):
        return
    pictures = np.stack([look.picture for look in looks.values()])
    digests = np.stack([look.pixel_digest for look in looks.values()])
    found = np.stack([_pack(look.found) for look in looks.values()])
    try:
        with store.write_shard(address, address, list(looks), COLUMNS, "what inspect reads of the images") as writer:
            writer.put(0, {PICTURE: pictures, PIXELS: digests, FOUND: found})
    except OSError as error:
        store.block(error)


def _find_cached(store: FeatureStore, address: str) -> dict[str, _Look]:
    return {
        digest: _Look(shard.arrays[PICTURE][row], shard.arrays[PIXELS][row], _unpack(shard.arrays[FOUND][row]))
        for shard in store.find_shards(address, address)
        for row, digest in enumerate(shard.digests)
    }


def _write(found: Found) -> bytes:
    return json.dumps(asdict(found), separators=(",", ":")).encode()


def _pack(found: Found) -> NDArray[np.uint8]:
    return np.frombuffer(_write(found).ljust(FOUND_BYTES), np.uint8)


def _unpack(row: NDArray[np.uint8]) -> Found:
    return Found.from_json(json.loads(row.tobytes()))

"""Reads each image file once: its bytes give the digest, the header, and whatever else is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from sightx_cli.data.column_file import release_columns
from sightx_cli.data.readers import AS_IS, Found, Header, ImageFileError, Reading, load_bytes, measure_header
from sightx_cli.data.readers.base import explain_refusal
from sightx_cli.data.readers.references import is_packed, read_packed
from sightx_cli.data.readers.remote_file import is_remote
from sightx_cli.data.repeated_values import RepeatedValues
from sightx_cli.machine import measure_threads

if TYPE_CHECKING:
    import pandas as pd

DIGEST_BYTES = 16
PATHS_HELD = 100_000
"""So many paths are in memory as text at a time; the threads wait for each other in between."""
_CHUNK = 16  # files per task of a thread: less waiting between threads, and progress still moves

Use = Callable[[str, str, bytes | None], Found]
"""What is done with a file while it is in memory: takes path, digest and bytes (None of a very large file), and says
what was found in it; raises `ImageFileError` where the file cannot be used."""


NOTHING = Found()
"""Of a file that cannot be used."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What reading an image file once reveals."""

    digest: str
    """Of its bytes: it identifies an image, wherever it is stored. Empty where they cannot be read."""
    header: Header | None
    """None where the file cannot be used."""
    error: str
    """Why it cannot be used, in a few words; empty where it can."""
    hint: str = ""
    """What to do about it."""
    found: Found = NOTHING


MeasureParts = Callable[[Sequence[str]], Iterator[tuple[int, list[FileFacts]]]]
"""Reads files otherwise than in threads: (place of the first, facts of a few) of all of them."""


class ManyFacts(Sequence[FileFacts]):
    """The facts of many files in a few bytes each: their digests, and which of the few kinds of facts beside it.

    A million `FileFacts` take 300 MB, and most files of a set have the same size, mode and findings.
    """

    def __init__(self, count: int) -> None:
        self._digests = np.zeros((count, DIGEST_BYTES), np.uint8)
        self._kinds = np.zeros(count, np.int32)
        self._known: dict[FileFacts, int] = {}
        self._list: list[FileFacts] = []

    def put(self, place: int, facts: FileFacts) -> None:
        """Keep the facts of the file at a place."""
        kind = replace(facts, digest="x" * bool(facts.digest))
        number = self._known.setdefault(kind, len(self._list))
        if number == len(self._list):
            self._list.append(kind)
        self._kinds[place] = number
        if facts.digest:
            self._digests[place] = np.frombuffer(bytes.fromhex(facts.digest), np.uint8)

    def list_unusable(self) -> list[int]:
        """List the places of the files that cannot be used."""
        faulty = [number for number, kind in enumerate(self._list) if kind.header is None]
        return np.flatnonzero(np.isin(self._kinds, faulty)).tolist()

    def list_usable(self) -> tuple[RepeatedValues[Header], RepeatedValues[Found]]:
        """Return the headers of the files that can be used, and what was found in each, in order."""
        headers, found = list[Header](), list[Found]()
        numbers = np.full(len(self._list), -1, np.int32)
        for number, kind in enumerate(self._list):
            if kind.header is not None:
                numbers[number] = len(headers)
                headers.append(kind.header)
                found.append(kind.found)
        usable = numbers[self._kinds]
        usable = usable[usable >= 0]
        return RepeatedValues(headers, usable), RepeatedValues(found, usable)

    def give_digests(self) -> Iterator[str]:
        """Yield the digest of each file."""
        for kind, digest in zip(self._kinds, self._digests, strict=True):
            yield digest.tobytes().hex() if self._list[kind].digest else ""

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, place: int) -> FileFacts: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[FileFacts]: ...

    def __getitem__(self, place: int | slice) -> FileFacts | Sequence[FileFacts]:
        """Return the facts of a file, or of some."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        kind: FileFacts = self._list[int(self._kinds[place])]
        return replace(kind, digest=self._digests[place].tobytes().hex()) if kind.digest else kind


def measure_files(
    paths: Sequence[str] | pd.Series[str],
    use: Use,
    advance: Callable[[int], None] = lambda _: None,
    threads: int | None = None,
    reading: Reading = AS_IS,
    measure_parts: MeasureParts | None = None,
) -> ManyFacts:
    """Read every file once, in threads or by `measure_parts`; return its facts in order. `advance` is called with how
    many more files are done."""
    found = ManyFacts(len(paths))
    count = max(1, threads or measure_threads().decoding)
    for first in range(0, len(paths), PATHS_HELD):
        held = [str(path) for path in paths[first : first + PATHS_HELD]]
        parts = measure_parts(held) if measure_parts else _measure_in_threads(held, use, count, reading)
        for start, part in parts:
            for place, facts in enumerate(part, first + start):
                found.put(place, facts)
            advance(len(part))
        release_columns()
    return found


def measure_file(path: str, use: Use, reading: Reading = AS_IS) -> FileFacts:
    """Read one file; never raises for what is wrong with it."""
    digest = ""
    try:
        data = load_bytes(path)
        digest = digest_file(path) if data is None else digest_bytes(data)
        header = measure_header(path, data, reading)
        found = use(path, digest, data)
    except ImageFileError as error:
        return FileFacts(digest, None, error.reason, error.hint)
    return FileFacts(digest, header, "", found=found)


def digest_bytes(data: bytes) -> str:
    """Return the digest of a file's bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def digest_file(path: str | Path) -> str:
    """Return the digest of a file's bytes, however many; raises `ImageFileError` where they cannot be read."""
    if is_remote(path):
        return digest_bytes(load_bytes(path) or b"")
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
    except OSError as error:
        if is_packed(path):
            return digest_bytes(read_packed(path))
        raise ImageFileError(path, *explain_refusal(path, error)) from error


def _measure_in_threads(
    paths: Sequence[str], use: Use, threads: int, reading: Reading
) -> Iterator[tuple[int, list[FileFacts]]]:
    """Yield (first place, facts of the chunk) as chunks finish, few at a time so that Ctrl-C is quick."""

    def measure_chunk(start: int) -> tuple[int, list[FileFacts]]:
        return start, [measure_file(path, use, reading) for path in paths[start : start + _CHUNK]]

    starts = iter(range(0, len(paths), _CHUNK))
    with ThreadPoolExecutor(threads) as pool:
        running: set[Future[tuple[int, list[FileFacts]]]] = set()
        while True:
            for start in islice(starts, threads * 2 - len(running)):
                running.add(pool.submit(measure_chunk, start))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()

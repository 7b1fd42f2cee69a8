"""Processes that read images: they know no torch, end with whoever started them, and lose nothing if one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.data.decoded_room import Rooms, decode_images
from sightx_cli.data.decoded_set import DecodedSet
from sightx_cli.data.pixel_file import PixelFile
from sightx_cli.data.pixel_reads import PixelRequest, write_pixels
from sightx_cli.data.read_ahead import ENDS_READER, read_files
from sightx_cli.data.reader_processes import ReaderEndedError, ReaderPool, ReaderThreads, choose_processes
from sightx_cli.data.readers import ImageFileError
from sightx_cli.progress import Recorder
from sightx_cli.recipe.profiles import PROFILES

ASKED = PixelRequest(32, "crop", PROFILES["natural"])
PLENTY = Rooms(10**9, 0, Path())
STARTS_AND_WAITS = """
import sys, time, platform
from sightx_cli.data.reader_processes import ReaderPool
print("started over", file=sys.stderr, flush=True)
pool = ReaderPool(1)
pool.submit(platform.node).result()
print(*pool.list_numbers(), flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[ReaderPool]:
    pool = ReaderPool(2)
    yield pool
    pool.close()


@pytest.fixture
def photos(tmp_path: Path, write_photo: Callable[..., Path]) -> list[str]:
    return [str(write_photo(tmp_path / f"{n}.jpg", n, (90 + n, 70))) for n in range(20)]


def gather(decoded: DecodedSet) -> list[np.ndarray]:
    rows = [decoded.gather(np.array([place]), lambda count: np.empty(count, np.uint8)) for place in range(len(decoded))]
    return [row.pixels for row in rows]


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], bool]) -> bool:
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_they_import_what_reads_images_and_no_torch(pool: ReaderPool, photos: list[str]) -> None:
    file = PixelFile(None)
    pool.submit(write_pixels, file.place, 0, photos[:1], ASKED).result()
    loaded = pool.submit(eval, "sorted(__import__('sys').modules)").result()
    assert {"numpy", "PIL", "sightx_cli.data.readers"} <= set(loaded)
    assert not {"torch", "fastai", "pandas", "openvino", "sklearn"} & set(loaded)


def test_they_decode_what_threads_decode_to_the_byte(pool: ReaderPool, photos: list[str]) -> None:
    listener = Recorder()
    apart = decode_images(photos, ASKED, PLENTY, listener, listener.notice, pool)
    here = decode_images(photos, ASKED, PLENTY, listener, listener.notice, ReaderThreads(2))
    assert isinstance(apart, DecodedSet)
    assert isinstance(here, DecodedSet)
    assert all(map(np.array_equal, gather(apart), gather(here)))


def test_one_that_is_killed_loses_no_image(photos: list[str]) -> None:
    pool, read = ReaderPool(2), list[str]()
    for _, written in read_files([[path] for path in photos], ASKED, pool, lambda: PixelFile(None)):
        if not read:
            for number in pool.list_numbers():
                os.kill(number, signal.SIGKILL)
        read += [""] * len(written.rows)
    assert len(read) == len(photos)
    pool.close()


def test_an_image_that_ends_its_reader_is_named_and_no_other(photos: list[str]) -> None:
    class Ending(ReaderThreads):
        """Its readers end at one image, as a decoder does that crashes."""

        def submit(self, function, *arguments):
            def run():
                if photos[7] in arguments[2]:
                    raise ReaderEndedError
                return function(*arguments)

            return self._threads.submit(run)

    listener = Recorder()
    with pytest.raises(ImageFileError, match=ENDS_READER) as raised:
        decode_images(photos, ASKED, PLENTY, listener, listener.notice, Ending(2))
    assert photos[7] in str(raised.value)


def test_a_file_that_is_no_image_is_named(pool: ReaderPool, photos: list[str]) -> None:
    Path(photos[3]).write_text("no image")
    listener = Recorder()
    with pytest.raises(ImageFileError, match=r"3\.jpg"):
        decode_images(photos, ASKED, PLENTY, listener, listener.notice, pool)


def test_what_fails_there_is_raised_here_in_its_words(pool: ReaderPool) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        pool.submit(eval, "1 / 0").result()
    assert pool.submit(eval, "1 + 1").result() == 2


def test_closing_ends_them_in_the_middle_of_what_they_do() -> None:
    pool = ReaderPool(1)
    working = pool.submit(eval, "__import__('time').sleep(60)")
    assert wait_until(lambda: bool(pool.list_numbers()))
    [number] = pool.list_numbers()
    pool.close()
    assert not is_running(number)
    assert working.exception() is not None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_they_end_with_the_process_that_started_them_and_never_run_its_script_again(
    tmp_path: Path, how: signal.Signals
) -> None:
    script = tmp_path / "script.py"
    script.write_text(STARTS_AND_WAITS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )
    assert process.stdout is not None
    number = int(process.stdout.readline())
    assert is_running(number)
    process.send_signal(how)
    _, said = process.communicate()
    assert wait_until(lambda: not is_running(number))
    assert said.count("started over") == 1


@pytest.mark.parametrize(
    ("images", "processors", "free_bytes", "processes"),
    [
        (10**6, 16, 10**12, 16),
        (256, 4, 10**12, 4),
        (255, 16, 10**12, 0),
        (10**6, 3, 10**12, 0),
        (10**6, 16, 8 * 1024**3, 8),
        (10**6, 16, 3 * 1024**3, 0),
    ],
)
def test_as_many_as_processors_where_they_pay_and_memory_allows(
    images: int, processors: int, free_bytes: int, processes: int
) -> None:
    assert choose_processes(images, processors, free_bytes) == processes


def test_a_file_that_has_taken_the_place_of_another_is_not_written_to(tmp_path: Path, photos: list[str]) -> None:
    file = PixelFile(None)
    other = tmp_path / "other"
    other.write_bytes(b"the user's")
    place = file.place._replace(path=str(other))
    with pytest.raises(OSError, match="no longer"):
        write_pixels(place, 0, photos[:1], ASKED)
    assert other.read_bytes() == b"the user's"


def test_a_disk_without_room_reads_anew_and_says_so(photos: list[str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder would be")
    listener = Recorder()
    found = decode_images(photos, ASKED, Rooms(0, 10**9, tmp_path / "cache"), listener, listener.notice)
    assert [one.kind for one in listener.notices] == ["decoded-images"]
    room = next(iter(found.stream([np.arange(20)], lambda count: np.empty(count, np.uint8))))
    assert len(room.images) == 20


def test_images_that_grow_beyond_the_room_are_read_anew(photos: list[str], write_photo: Callable[..., Path]) -> None:
    listener = Recorder()
    many = [photos[0]] * 999 + [photos[1]]
    found = decode_images(many, ASKED, Rooms(10**6, 0, Path()), listener, listener.notice, ReaderThreads(2))
    assert not isinstance(found, DecodedSet)
    assert "would take" in listener.notices[0].text

"""Few pixels are decoded at the same time, however many threads read."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.readers import gate, holding_pixels, pillow_file, read_image
from sightx_cli.data.readers.gate import PIXELS_WITHOUT_TURN, PixelGate, TurnGate

SECONDS = 20
"""What hangs fails after this long."""


def test_no_more_pixels_are_held_than_allowed_and_everyone_gets_a_turn() -> None:
    bounded, most = PixelGate(100), 0
    lock = threading.Lock()

    def work(pixels: int) -> int:
        nonlocal most
        with bounded.holding():
            bounded.take(pixels)
            with lock:
                most = max(most, bounded.held)
            threading.Event().wait(0.001)
        return pixels

    sizes = [int(size) for size in np.random.default_rng(0).integers(1, 80, 200)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, sizes, timeout=SECONDS)) == sum(sizes)
    assert 80 <= most <= 100
    assert bounded.held == 0


def test_one_that_is_too_large_waits_until_it_is_alone_and_later_ones_wait_for_it() -> None:
    bounded, order = PixelGate(100), []
    first_in, first_out = threading.Event(), threading.Event()

    def hold_first() -> None:
        with bounded.holding():
            bounded.take(10)
            first_in.set()
            first_out.wait(SECONDS)
            order.append("first")

    def hold(name: str, pixels: int) -> None:
        with bounded.holding():
            bounded.take(pixels)
            order.append(name)

    with ThreadPoolExecutor(3) as pool:
        pool.submit(hold_first)
        assert first_in.wait(SECONDS)
        large = pool.submit(hold, "large", 1000)
        while not bounded._turn.locked():
            threading.Event().wait(0.001)
        small = pool.submit(hold, "small", 10)
        first_out.set()
        large.result(SECONDS)
        small.result(SECONDS)
    assert order == ["first", "large", "small"]


def test_what_fails_gives_its_pixels_back() -> None:
    bounded = PixelGate(100)

    def fail() -> None:
        with bounded.holding():
            bounded.take(100)
            raise OSError("unreadable")

    with pytest.raises(OSError, match="unreadable"):
        fail()
    assert bounded.held == 0


def test_an_image_counts_until_its_view_is_cut_and_twice_in_one_block_is_no_deadlock(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    bounded = gate.open_gate()
    with holding_pixels():
        for times in (1, 2):
            read_image(tmp_path / "a.png")
            assert bounded.held == times * 1200
    assert bounded.held == 0
    read_image(tmp_path / "a.png")
    assert bounded.held == 0


def test_the_largest_image_that_is_read_has_room() -> None:
    assert gate.LEAST_PIXELS >= pillow_file.MAX_PIXELS
    assert gate.open_gate().limit >= pillow_file.MAX_PIXELS


PEAK = """
import resource, sys
from sightx_cli.data.readers import read_image
read_image(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_image(sys.argv[2])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.parametrize("kind", ["palette with alpha", "16-bit grey"])
def test_a_large_image_takes_little_more_than_its_own_pixels(tmp_path: Path, kind: str) -> None:
    side = 5000
    for name, size in (("small.png", 50), ("large.png", side)):
        if kind == "16-bit grey":
            Image.fromarray(np.full((size, size), 9, np.uint16)).save(tmp_path / name)
        else:
            image = Image.new("P", (size, size), 1)
            image.putpalette([255, 0, 0, 0, 255, 0])
            image.save(tmp_path / name, transparency=bytes([0, 128]))
    paths = [str(tmp_path / name) for name in ("small.png", "large.png")]
    done = subprocess.run([sys.executable, "-c", PEAK, *paths], capture_output=True, text=True, check=True)
    assert int(done.stdout) < gate.BYTES_PER_PIXEL * side**2


def test_threads_that_come_first_at_the_same_time_share_one_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    gate._build_gate.cache_clear()
    measured = threading.Event()

    def measure_slowly() -> int:
        measured.wait(0.1)
        return 0

    monkeypatch.setattr(gate, "measure_free_memory", measure_slowly)
    with ThreadPoolExecutor(8) as pool:
        assert len({id(one) for one in pool.map(lambda _: gate.open_gate(), range(8), timeout=SECONDS)}) == 1
    gate._build_gate.cache_clear()


def test_of_several_processes_one_at_a_time_holds_a_large_image(tmp_path: Path) -> None:
    turn = tmp_path / "turn"
    turn.touch()
    first, second, order = TurnGate(str(turn)), TurnGate(str(turn)), list[str]()

    def read_second() -> None:
        with second.holding():
            second.take(1000)  # a small image does not wait
            order.append("small")
            second.take(PIXELS_WITHOUT_TURN)
            order.append("large")

    with ThreadPoolExecutor(1) as pool:
        with first.holding():
            with first.holding():
                first.take(PIXELS_WITHOUT_TURN + 1)
            other = pool.submit(read_second)
            while not order:
                time.sleep(0.001)
            order.append("first is done")
        other.result()
    assert order == ["small", "first is done", "large"]
    with first.holding():  # and again
        first.take(PIXELS_WITHOUT_TURN + 1)

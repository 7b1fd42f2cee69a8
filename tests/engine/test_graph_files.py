"""A graph on disk is used as it was written or not at all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.engine.openvino_forward import load_openvino, read_graph


def test_a_graph_is_two_files_and_nothing_beside_them(small_graph: Path) -> None:
    assert sorted(path.name for path in small_graph.parent.iterdir()) == ["small.bin", "small.xml"]


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_pipe_in_its_place_is_never_waited_for(suffix: str, small_graph: Path) -> None:
    file = small_graph.with_suffix(suffix)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RuntimeError, match="a named pipe, not a file"):
        read_graph(small_graph)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_any_flipped_bit_is_found(suffix: str, small_graph: Path) -> None:
    file = small_graph.with_suffix(suffix)
    sound = file.read_bytes()
    generator = np.random.default_rng(0)
    for place in [0, len(sound) - 1, *generator.integers(len(sound), size=200)]:
        flipped = bytearray(sound)
        flipped[place] ^= 1 << int(generator.integers(8))
        file.write_bytes(flipped)
        with pytest.raises(RuntimeError, match=r"the checksum does not match"):
            read_graph(small_graph)
    file.write_bytes(sound)
    read_graph(small_graph)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda graph: graph.write_bytes(graph.read_bytes()[:-40]),
    "empty": lambda graph: graph.write_bytes(b""),
    "another file": lambda graph: graph.write_text("hello"),
    "weights cut short": lambda graph: graph.with_suffix(".bin").write_bytes(b"\0" * 100),
    "weights lost": lambda graph: graph.with_suffix(".bin").unlink(),
    "lost": lambda graph: graph.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_graph_is_refused_in_one_line(
    damage: str, small_graph: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](small_graph)
    with pytest.raises(RuntimeError, match=r"small\.xml: "):
        load_openvino(small_graph, batch=4)
    assert capfd.readouterr().err == ""


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from sightx_cli.engine.conversion import write_graph
from sightx_cli.engine.openvino_forward import read_graph
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
graph = read_graph(Path(sys.argv[1]))
for limit_bytes in (100, 4000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    try:
        write_graph(graph, Path(sys.argv[2]))
    except OSError as error:
        print(error.strerror, *Path(sys.argv[2]).parent.iterdir())
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no file size limit here")
def test_a_full_disk_leaves_no_graph_behind(small_graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    command = [sys.executable, "-c", FULL_DISK, str(small_graph), str(folder / "graph.xml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert small_graph.with_suffix(".bin").stat().st_size < 4000 < small_graph.stat().st_size  # one limit for each
    assert done.stdout.splitlines() == ["the graph could not be written"] * 2  # and no file after it

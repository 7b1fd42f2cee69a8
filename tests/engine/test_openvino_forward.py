"""The OpenVINO half by itself, as `sightx predict` uses it: in a process of its own, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sightx_cli.engine.openvino_forward import load_openvino
from sightx_cli.machine import ThreadBudget, measure_threads, sharing_processors

START = """
import sys
from pathlib import Path
import numpy as np
from sightx_cli.engine.openvino_forward import load_openvino
graph, images = Path(sys.argv[1]), np.zeros((4, 16, 16, 3), np.uint8)
"""


def run_alone(program: str, graph: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START + program, str(graph)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_graph_runs_without_torch(small_graph: Path) -> None:
    done = run_alone(
        """
[(key, outputs)] = load_openvino(graph, batch=4).run([("key", images)])
print(key, *outputs["features"].shape, {"torch", "timm", "fastai"} & set(sys.modules))
""",
        small_graph,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "key 4 8 set()\n", "")


@pytest.mark.parametrize(
    "work",
    [
        "list(forward.run((key, images) for key in range(5)))",
        "next(forward.run((key, images) for key in range(50)))",
        "\ntry:\n list(forward.run((key, images if key < 3 else 1 // 0) for key in range(5)))\n"
        "except ZeroDivisionError:\n pass",
    ],
    ids=["to its end", "left early", "reading fails"],
)
def test_a_process_ends_well_however_its_run_ended(work: str, small_graph: Path) -> None:
    program = (
        f"forward = load_openvino(graph, batch=4)\nfor turn in range(20):\n {work.replace(chr(10), chr(10) + ' ')}\n"
    )
    for _ in range(2):
        done = run_alone(program, small_graph)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("threads", range(1, min(measure_threads().total, 4) + 1))
@pytest.mark.parametrize("batch", [1, 4])
def test_a_graph_is_compiled_for_the_threads_it_may_use(batch: int, threads: int, small_graph: Path) -> None:
    compiled = load_openvino(small_graph, ThreadBudget(threads), batch=batch)._compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads
    assert compiled.get_property("NUM_STREAMS") == threads


def test_processes_that_share_a_machine_do_not_bind_their_threads_to_the_same_processors(small_graph: Path) -> None:
    with sharing_processors(2):
        assert load_openvino(small_graph)._compiled.get_property("ENABLE_CPU_PINNING") is False

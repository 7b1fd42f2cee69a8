"""What only looks something up starts at once: nothing heavy is loaded for it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "timm", "fastai", "openvino", "pandas", "numpy", "sklearn", "PIL", "matplotlib")
LEARNERS = ("fastai", "fastcore", "fastprogress")
REPORT = "import sys; print('loaded:', *(name for name in {heavy} if name in sys.modules), file=sys.stderr)"
RUN = "import sys, atexit; atexit.register(lambda: exec({report!r})); sys.argv = ['sightx', *{args}]\n{start}"
START = "from sightx_cli.app import main; main()"


def load(args: list[str], start: str = START, heavy: tuple[str, ...] = HEAVY) -> tuple[int, str]:
    """Run Python in a process of its own; its exit status and the heavy packages that were loaded."""
    code = RUN.format(report=REPORT.format(heavy=heavy), args=args, start=start)
    with tempfile.TemporaryDirectory() as folder:  # a fit names itself the newest run of the current folder
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    _, told, loaded = done.stderr.rpartition("loaded:")
    assert told, done.stderr
    return done.returncode, loaded.strip()


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["-h"],
        ["--version"],
        ["fit", "--help"],
        ["recipes", "list"],
        ["recipes", "list", "--json"],
        ["runs", "list"],
        ["recipes", "decide", "--images", "300", "--shift", "similar"],
    ],
    ids=" ".join,
)
def test_a_command_that_looks_up_loads_nothing_heavy(args: list[str]) -> None:
    assert load(args) == (0, "")


@pytest.mark.parametrize("args", [["--help"], ["recipes", "list"]], ids=" ".join)
def test_help_and_the_list_of_recipes_do_without_pydantic(args: list[str]) -> None:
    assert load(args, heavy=("pydantic",)) == (0, "")


@pytest.mark.slow
def test_the_list_of_networks_loads_neither_fastai_nor_an_engine() -> None:
    assert load(["backbones", "--no-speed"], heavy=("fastai", "openvino", "sklearn", "matplotlib")) == (0, "")


def test_a_mistyped_option_loads_nothing_heavy() -> None:
    assert load(["fit", "scans", "--recpe", "natural-small"]) == (2, "")


def test_a_fit_that_only_solves_its_head_loads_no_fastai(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    network = ["--backbone", "test_resnet", "--weights", str(random_weights("test_resnet"))]
    how = ["--recipe", "natural-small", "--set", "image.size_px=32", "--out", str(tmp_path / "run")]
    assert load(["fit", str(digits), *network, *how], heavy=("torch", *LEARNERS)) == (0, "torch")
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_an_evaluation_loads_no_fastai(digits: Path, build_run: Callable[..., Path], tmp_path: Path) -> None:
    args = ["evaluate", str(digits), "--model", str(build_run()), "--out", str(tmp_path / "answer")]
    assert load(args, heavy=LEARNERS) == (0, "")


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert load([], start="import sightx_cli") == (0, "")


def test_importing_the_api_does_not_load_torch() -> None:
    start = "from sightx_cli import find_lr, fit, predict"
    assert load([], start=start, heavy=("torch", "timm", "fastai")) == (0, "")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "sightx_cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sightx ")

"""The benchmark of a GPU runs to its end without one: each of its parts measures something."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.mark.slow
def test_every_part_of_the_gpu_benchmark_runs_on_the_cpu(write_photo: Callable[..., Path], tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for label in range(10):
        for place in range(10):
            file = tmp_path / "train" / f"class{label}" / f"{place:04}.jpg"
            write_photo(file, 10 * label + place, (32, 32))
    for part, count in (("train", 20), ("valid", 10)):
        for number, label in enumerate(("ants", "bees")):
            for place in range(count):
                file = data / "hymenoptera" / part / label / f"{place}.jpg"
                write_photo(file, 1000 * number + 100 * (part == "valid") + place, (80, 60))
    with tarfile.open(data / "cifar10-train.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "train", "train")
    command = [sys.executable, SCRIPT, "--dry-run", "--out", out, "--data", data]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found == json.loads((out / "gpu.json").read_text())
    failed = {name: one["failed"] for name, one in found.items() if isinstance(one, dict) and "failed" in one}
    assert not failed
    assert found["epoch"]["epoch_ratio"] > 0
    assert found["features"]["images_per_second"] > 0
    assert found["predict"]["largest_difference"] < 1e-4
    assert set(found["reached"]) == {
        "epoch_ratio",
        "epoch_busy_percent",
        "features_per_second",
        "fit_ratio",
        "accuracy_gain",
    }
    assert (out / "trace.json.gz").stat().st_size > 1000

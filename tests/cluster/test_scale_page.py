"""What docs/scale.md says of Ray can be typed as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")


def read_section(title: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.slow
def test_the_commands_on_one_machine_run(
    digits_run: FitResult, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))  # nothing has been computed yet
    shutil.copytree(digits_run.run, "runs/one")
    (tmp_path / "runs" / "latest").symlink_to("one")
    for name in ("scans", "later"):
        shutil.copytree(digits, name)
    (tmp_path / "new").mkdir()
    for number, file in enumerate(sorted(digits.rglob("*.png"))[:6]):
        shutil.copy(file, f"new/{number}.png")
    pd.DataFrame({"image": [f"new/{number}.png" for number in range(6)]}).to_parquet("list.parquet")
    lines = [line.strip().partition("#")[0] for line in read_section("A Ray cluster").splitlines()]
    commands = [line for line in lines if line.startswith("sightx ") and "--address" not in line]
    assert len(commands) == 4
    for command in commands:
        shutil.rmtree("answers", ignore_errors=True)
        words = [sys.executable, "-m", "sightx_cli", *shlex.split(command)[1:]]
        if "fit" in words:
            words += ["--recipe", "natural-small", "--set", "image.size_px=64", "--set", "stage.0.epochs=1"]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "are computed here, and not on Ray" in done.stderr  # so few images


def test_the_job_for_kubernetes_is_one() -> None:
    yaml = pytest.importorskip("yaml")
    (text,) = re.findall(r"```yaml\n(.*?)```", read_section("Kubernetes (KubeRay)"), re.DOTALL)
    job = yaml.safe_load(text)
    assert (job["kind"], job["apiVersion"]) == ("RayJob", "ray.io/v1")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:2] == ["sightx", "predict"]
    assert words[words.index("--on") + 1] == "ray"
    groups = job["spec"]["rayClusterSpec"]
    specs = [groups["headGroupSpec"], *groups["workerGroupSpecs"]]
    images = {one["image"] for spec in specs for one in spec["template"]["spec"]["containers"]}
    assert len(images) == 1

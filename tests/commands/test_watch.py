"""`sightx predict --watch`, as typed: how it ends, what it answers, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture
def files(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The digits; the current folder has an empty folder `in`."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    return sorted(digits.rglob("*.png"))


def start(digits_run: FitResult, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sightx_cli", "predict", "--watch", "in", "--model", str(digits_run.run), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def list_names() -> list[str]:
    if not Path("predictions.csv").exists():
        return []
    with Path("predictions.csv").open(encoding="utf-8", newline="") as lines:
        return [Path(row["image"]).name for row in csv.DictReader(lines)]


def wait_for_rows(count: int) -> None:
    end = time.monotonic() + 30
    while len(list_names()) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(list_names()) >= count


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGINT, "interrupted"), pytest.param(signal.SIGTERM, "terminated", marks=pytest.mark.slow)],
)
def test_a_stop_ends_it_well_with_a_summary(
    digits_run: FitResult, files: list[Path], number: signal.Signals, said: str
) -> None:
    shutil.copy(files[0], "in/0.png")
    running = start(digits_run, *(["--json"] if number == signal.SIGTERM else []))
    wait_for_rows(1)
    shutil.copy(files[1], "in/1.png")
    wait_for_rows(2)
    running.send_signal(number)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert "Traceback" not in err
    if number == signal.SIGTERM:
        found = json.loads(out)
        assert (found["images"], found["stopped"], found["latency"]["images"]) == (2, said, 1)
        assert Path(found["output"]) == Path("predictions.csv").absolute()
    else:
        for words in ("2 images labelled", "from arrival to row half of them within", "table predictions.csv"):
            assert words in out


@pytest.mark.slow
def test_a_kill_loses_no_image_and_labels_none_twice(digits_run: FitResult, files: list[Path]) -> None:
    for turn in range(4):
        running = start(digits_run, "--move-to", "sorted")
        for place in range(12):
            shutil.copy(files[12 * turn + place], f"in/{turn}-{place:02}.png")
        wait_for_rows(12 * turn + 3 * (turn % 4) + 1)
        running.kill()
        running.wait()
    running = start(digits_run, "--move-to", "sorted")
    wait_for_rows(48)
    end = time.monotonic() + 10
    while list(Path("in").iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    expected = [f"{turn}-{place:02}.png" for turn in range(4) for place in range(12)]
    assert sorted(list_names()) == expected
    assert sorted(path.name for path in Path("sorted").rglob("*.png")) == expected


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--watch", "in", "other"], "--watch: found 2 sources; allowed: one folder"),
        (["in", "--move-to", "out"], "--move-to: is for a folder that fills"),
        (["--watch", "in", "--heatmaps", "maps"], "--heatmaps: does not go with --watch"),
        (["--watch", "in", "--batch", "4"], "--batch: does not go with --watch"),
        (["--watch", "in", "--image-column", "x"], "--image-column: does not go with --watch"),
        (["--watch", "in", "--resume", "--overwrite"], "--resume goes on with a table, --overwrite begins it anew"),
        (["--watch", "nowhere"], "--watch nowhere: no such folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    digits_run: FitResult, files: list[Path], args: list[str], said: str
) -> None:
    done: Any = CliRunner().invoke(app, ["predict", *args, "--model", str(digits_run.run)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    assert len(done.stderr.splitlines()) == 2

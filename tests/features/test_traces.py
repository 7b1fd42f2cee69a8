"""Whatever lies of the images outside the store is listed, and cleared unless a running process holds it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sightx_cli.features.aside import Aside
from sightx_cli.features.traces import HELD, LEFT, UNFINISHED, clear_traces, list_traces

KILLED = """
import os, signal, tempfile
from sightx_cli.features.aside import Aside
tempfile.tempdir = {folder!r}
aside = Aside()
(aside.make_folder() / "features.bin").write_bytes(b"x" * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a temporary folder of its own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_killed_run_leaves_what_is_listed_and_cleared_and_a_running_one_keeps_its_own(home: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED.format(folder=str(home / "temporary"))], check=False)
    running = Aside()
    mine = running.make_folder()
    listed = {entry.name: (entry.what, entry.bytes_on_disk) for entry in list_traces()}
    assert listed.pop(str(mine))[0] == HELD
    [(left, (what, size))] = listed.items()
    assert (what, size >= 1000) == (LEFT, True)
    assert clear_traces() >= 1000
    assert (Path(left).exists(), mine.exists()) == (False, True)
    del running
    assert list((home / "temporary").iterdir()) == []


def test_a_half_written_inspection_is_a_leftover_after_an_hour_and_a_run_that_can_go_on_never(home: Path) -> None:
    for folder in ("inspections/.old-1", "inspections/.new-2", "runs/.goes-on-3"):
        (home / folder).mkdir(parents=True)
        (home / folder / "sheet.jpg").write_bytes(b"x" * 10)
    (home / "runs/.goes-on-3/journal.json").write_text("{}")
    for path in (home / "inspections/.old-1", home / "runs/.goes-on-3"):
        for one in (*path.iterdir(), path):
            os.utime(one, (1000, 1000))
    assert [(entry.name, entry.what) for entry in list_traces()] == [(str(home / "inspections/.old-1"), UNFINISHED)]
    assert clear_traces() == 10
    assert sorted(path.name for path in (*home.glob("*/.*"),)) == [".goes-on-3", ".new-2"]

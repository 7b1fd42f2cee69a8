"""`sightx cache` lists and clears what lies in the store, and with --all what killed processes left elsewhere."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app


def test_what_a_killed_run_left_is_listed_kept_by_clear_and_removed_with_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    left = tmp_path / "sightx-aside-1"
    left.mkdir()
    (left / "features.bin").write_bytes(b"x" * 2000)
    listed = CliRunner().invoke(app, ["cache", "list"]).stdout
    assert (str(left) in listed, "left by a run that was killed" in listed) == (True, True)
    answer = json.loads(CliRunner().invoke(app, ["cache", "list", "--json"]).stdout)
    assert [(one["name"], one["bytes"] >= 2000) for one in answer["elsewhere"]] == [(str(left), True)]
    assert json.loads(CliRunner().invoke(app, ["cache", "clear", "--json"]).stdout) == {"bytes_freed": 0}
    assert left.exists()
    assert json.loads(CliRunner().invoke(app, ["cache", "clear", "--all", "--json"]).stdout)["bytes_freed"] >= 2000
    assert not left.exists()

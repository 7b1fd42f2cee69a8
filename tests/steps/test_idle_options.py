"""Options that do nothing beside others: refused, or said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli import find_lr, fit
from sightx_cli.api.probe import probe
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder
from sightx_cli.steps.idle_options import mention_idle
from sightx_cli.steps.options import Options


@pytest.mark.parametrize("command", [fit, find_lr, probe])
def test_a_shift_beside_a_recipe_is_refused_before_any_work(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--shift different does nothing beside --recipe natural-small") as caught:
        command("nowhere", recipe="natural-small", shift="different")
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"recipe": "natural-small", "probe": False}, "--no-probe does nothing beside --recipe"),
        ({"from_run": Path("run"), "probe": False}, "--no-probe does nothing beside --from"),
        ({"overwrite": True}, "--overwrite does nothing without --out"),
    ],
)
def test_what_changes_nothing_is_said(how: dict[str, Any], said: str) -> None:
    listener = Recorder()
    mention_idle(Options("scans", **how), listener)
    (note,) = listener.notes
    assert note.startswith(said)


@pytest.mark.parametrize(
    "how", [{}, {"probe": False}, {"recipe": "natural-small"}, {"overwrite": True, "out": Path("run")}]
)
def test_nothing_is_said_where_all_of_it_counts(how: dict[str, Any]) -> None:
    listener = Recorder()
    mention_idle(Options("scans", **how), listener)
    assert not listener.notes


def test_a_fit_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listener = Recorder()
    with pytest.raises(Exception, match="nowhere"):
        fit("nowhere", recipe="natural-small", probe=False, listener=listener)
    assert any(note.startswith("--no-probe does nothing") for note in listener.notes)

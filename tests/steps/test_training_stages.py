"""Which stages of a recipe are trained: one of the head alone is not begun where the head has just been solved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli.journal.journal import begin_journal
from sightx_cli.progress import Notice, Recorder
from sightx_cli.steps.training_stages import train
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
HEAD = '{train="head",epochs=2,rate=1e-2}'
LAST = '{train="last:1",epochs=1,rate=1e-3}'


@pytest.fixture
def run(open_session: Open, tmp_path: Path) -> Callable[..., tuple[list[str], list[Notice]]]:
    """Trains as `fit` does: `run("head stage", …)` gives the stages of the history's rows, and what was left out."""

    def run_all(*stages: str, settings: tuple[str, ...] = (), **how: Any) -> tuple[list[str], list[Notice]]:
        heard = Recorder()
        preparation, session = open_session(f"stage=[{','.join(stages)}]", *settings, listener=heard, **how)
        journal = begin_journal(tmp_path / "run", {})
        try:
            train(preparation, session, journal, heard)
        finally:
            journal.close()
        skipped = [notice for notice in heard.notices if notice.kind.startswith("stage-")]
        return [str(row["stage"]) for row in session.history], skipped

    return run_all


def test_a_solved_head_is_not_trained_on_and_that_is_said(run: Callable[..., tuple[list[str], list[Notice]]]) -> None:
    rows, (notice,) = run(HEAD)
    assert rows == ["solved head"]
    assert (notice.kind, notice.count, notice.warns) == ("stage-skipped", 2, False)
    assert "2 epochs of steps would change nothing" in notice.text
    assert "--full trains them" in notice.text


def test_the_stage_after_it_is_trained(run: Callable[..., tuple[list[str], list[Notice]]]) -> None:
    rows, skipped = run(HEAD, LAST)
    assert rows == ["solved head", "last:1"]
    assert [notice.kind for notice in skipped] == ["stage-skipped"]


@pytest.mark.parametrize(
    ("stage", "how"),
    [
        (HEAD, {"full": True}),
        (HEAD, {"rate": 1e-2}),
        (HEAD, {"settings": ("model.head.hidden=[8]",)}),
        ('{train="head",epochs=2,rate=1e-2,join=[{after=1,train="last:1",rate=1e-3}]}', {}),
    ],
    ids=["--full", "a rate of one's own", "a hidden layer, which no regression solves", "a part that joins"],
)
def test_the_head_is_trained_where_it_was_asked_for_or_is_not_solved(
    run: Callable[..., tuple[list[str], list[Notice]]], stage: str, how: dict[str, Any]
) -> None:
    rows, skipped = run(stage, **how)
    assert len([row for row in rows if row != "solved head"]) == 2
    assert skipped == []


def test_a_head_is_trained_again_once_other_layers_have_changed(
    run: Callable[..., tuple[list[str], list[Notice]]],
) -> None:
    rows, skipped = run('{train="last:2",epochs=1,rate=3e-4}', HEAD)
    assert rows == ["solved head", "last:2", "head", "head"]
    assert skipped == []

"""Which stages of a recipe are trained: one of the head alone is not begun where the head has just been solved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli.journal.journal import begin_journal
from sightx_cli.processes import ALONE
from sightx_cli.progress import Notice, Recorder
from sightx_cli.steps.needless_stages import may_train
from sightx_cli.steps.training_stages import train
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
HEAD = '{train="head",epochs=2,rate=1e-2}'
LAST = '{train="last:1",epochs=1,rate=1e-3}'


@pytest.fixture
def expected() -> list[bool]:
    """Whether a stage may be trained, as was known before each `run` had features."""
    return []


@pytest.fixture
def run(open_session: Open, tmp_path: Path, expected: list[bool]) -> Callable[..., tuple[list[str], list[Notice]]]:
    """Trains as `fit` does: `run("head stage", …)` gives the stages of the history's rows, and what was left out."""

    def run_all(*stages: str, settings: tuple[str, ...] = (), **how: Any) -> tuple[list[str], list[Notice]]:
        heard = Recorder()
        preparation, session = open_session(f"stage=[{','.join(stages)}]", *settings, listener=heard, **how)
        expected.append(may_train(preparation, ALONE))
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


def test_before_anything_is_computed_it_is_known_that_no_stage_will_be_trained(
    run: Callable[..., tuple[list[str], list[Notice]]], expected: list[bool]
) -> None:
    rows, _ = run(HEAD)
    assert (rows, expected) == (["solved head"], [False])


def test_the_stage_after_it_is_trained(
    run: Callable[..., tuple[list[str], list[Notice]]], expected: list[bool]
) -> None:
    rows, skipped = run(HEAD, LAST)
    assert rows == ["solved head", "last:1"]
    assert [notice.kind for notice in skipped] == ["stage-skipped"]
    assert expected == [True]


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
    run: Callable[..., tuple[list[str], list[Notice]]], expected: list[bool], stage: str, how: dict[str, Any]
) -> None:
    rows, skipped = run(stage, **how)
    assert expected == [True]
    assert len([row for row in rows if row != "solved head"]) == 2
    assert skipped == []


def test_a_head_is_trained_again_once_other_layers_have_changed(
    run: Callable[..., tuple[list[str], list[Notice]]],
) -> None:
    rows, skipped = run('{train="last:2",epochs=1,rate=3e-4}', HEAD)
    assert rows == ["solved head", "last:2", "head", "head"]
    assert skipped == []


@pytest.mark.slow
def test_where_fastai_was_not_expected_it_is_loaded_late_to_the_same_figures(
    open_session: Open, tmp_path: Path
) -> None:
    preparation, session = open_session(f"stage=[{LAST}]")
    journal = begin_journal(tmp_path / "run", {})
    train(preparation, session, journal, Recorder())
    journal.close()
    given = {name: str(one) if isinstance(one, Path) else one for name, one in preparation.options.given().items()}
    code = f"""
import sys
from pathlib import Path
from sightx_cli.journal.journal import begin_journal
from sightx_cli.processes import ALONE
from sightx_cli.progress import Silent
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.session import build_session
from sightx_cli.steps.training_stages import train
preparation = prepare(Options(**{given!r}), Silent())
session, _ = build_session(preparation, Silent(), ALONE, trains=False)
print("fastai" in sys.modules)
train(preparation, session, begin_journal(Path({str(tmp_path / "other")!r}), {{}}), Silent())
print([row["valid_loss"] for row in session.history])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", str([row["valid_loss"] for row in session.history])]

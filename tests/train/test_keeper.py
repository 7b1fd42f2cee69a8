"""What is kept of a training: only what may differ from the network as it is built, in few files, and all of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sightx_cli.journal.journal import Journal, begin_journal
from sightx_cli.progress import Recorder
from sightx_cli.recipe.stage_titles import SOLVED
from sightx_cli.train.keeper import Keeper, list_trained
from sightx_cli.train.kept_state import load_changed, read_tensors
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_keeper import StageKeeper
from sightx_cli.train.stage_runs import run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
STAGES = 'stage=[{train="head",epochs=1,rate=1e-2},{train="last:1",epochs=2,rate=1e-2}]'


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal just begun."""
    made = begin_journal(tmp_path / "run", {})
    yield made
    made.close()


def copy_state(session: Session) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in session.model.state_dict().items()}


def find_changed(before: dict[str, Tensor], session: Session) -> set[str]:
    return {name for name, tensor in session.model.state_dict().items() if not torch.equal(tensor, before[name])}


def train(session: Session, keeper: Keeper) -> None:
    """Solve the head and run the stages, every epoch kept."""
    solve_head(session)
    keeper.keep_solved(SOLVED)
    for number, stage in enumerate(session.recipe.stage):
        run_stage(session, stage, 1.0, StageKeeper(keeper, number))


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ((STAGES,), {}),
        (('stage=[{train="all",epochs=2,rate=1e-2}]',), {"cache": False}),
        (('stage=[{train="scratch",epochs=2,rate=1e-2}]', 'model.weights="scratch"'), {"weights": None}),
        (('stage=[{train="head",epochs=2,rate=1e-2,join=[{after=1,train="last:1",rate=1e-2}]}]',), {}),
    ],
    ids=["stages", "all", "statistics too", "groups that join"],
)
def test_a_point_has_all_that_training_changed_and_of_the_frozen_layers_nothing(
    open_session: Open, journal: Journal, settings: tuple[str, ...], how: dict[str, Any]
) -> None:
    _, session = open_session('training.metric="loss"', *settings, **how)
    fresh = copy_state(session)
    session.best.restore = lambda _: None  # type: ignore[method-assign]  # the last epoch, not the best
    train(session, Keeper(session, journal, 1.0))
    last = journal.points[-1]
    tensors, facts = read_tensors(journal.checkpoint / last.state)
    kept = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    assert find_changed(fresh, session) <= set(kept)
    assert kept.keys() == dict(list_trained(session, last.stage)).keys()
    if "last:1" in str(settings):
        assert not [name for name in kept if name.startswith("0.") and ".layer1." in name]
    session.model.load_state_dict(fresh)
    load_changed(session.model, kept)
    assert all(torch.equal(session.model.state_dict()[name], tensor) for name, tensor in kept.items())
    assert len(facts["history"]) == len(session.history)


def test_two_points_are_kept_in_at_most_four_files_and_the_optimizer_only_within_a_stage(
    open_session: Open, journal: Journal
) -> None:
    _, session = open_session('training.metric="loss"', STAGES)
    seen = []

    class Look(Recorder):
        def epoch(self, row: Any) -> None:
            seen.append(len(list(journal.checkpoint.glob("*.safetensors"))))

    session.listener = Look()
    train(session, Keeper(session, journal, 1.0))
    assert max(seen) <= 4
    within, last = journal.points
    assert (within.is_last, last.is_last) == (False, True)
    has_optimizer = [
        any(name.startswith("optimizer.") for name in read_tensors(journal.checkpoint / one.state)[0])
        for one in (within, last)
    ]
    assert has_optimizer == [True, False]
    assert {path.name for path in journal.checkpoint.glob("*.safetensors")} == {*within.checksums, *last.checksums}


def test_a_session_is_brought_to_where_the_point_was(open_session: Open, journal: Journal) -> None:
    _, session = open_session('training.metric="loss"', STAGES)
    train(session, Keeper(session, journal, 0.5))
    _, again = open_session('training.metric="loss"', STAGES)
    keeper = Keeper(again, journal, 1.0)
    assert keeper.go_on() == journal.points[-1]
    assert keeper.factor == 0.5
    assert repr(again.history) == repr(session.history)
    assert again.seconds.keys() == session.seconds.keys()
    assert (again.best.stage, again.best.epoch, again.best.figures) == (
        session.best.stage,
        session.best.epoch,
        session.best.figures,
    )
    assert again.best.probabilities is not None
    assert session.best.probabilities is not None
    assert again.best.probabilities.tobytes() == session.best.probabilities.tobytes()
    assert again.best.weights.keys() == session.best.weights.keys()
    assert all(torch.equal(again.best.weights[name], tensor) for name, tensor in session.best.weights.items())
    assert again.best.backbone_trained == session.best.backbone_trained
    assert again.trained_from == session.trained_from


def test_without_a_point_there_is_nothing_to_go_on_from(open_session: Open, journal: Journal) -> None:
    _, session = open_session(STAGES)
    before = copy_state(session)
    assert Keeper(session, journal, 1.0).go_on() is None
    assert find_changed(before, session) == set()


def test_weights_of_another_network_are_a_defect_and_not_passed_over(open_session: Open) -> None:
    _, session = open_session(STAGES)
    with pytest.raises(ValueError, match=r"the journal has weights that this network lacks: \['0.other'\]"):
        load_changed(session.model, {"0.other": torch.zeros(3)})


def test_a_stage_makes_no_temporary_folder_that_a_kill_would_leave(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Look(Recorder):
        def epoch(self, row: Any) -> None:
            seen.append(list(tmp_path.iterdir()))

    _, session = open_session(STAGES)
    seen: list[list[Path]] = []
    session.listener = Look()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for stage in session.recipe.stage:
        run_stage(session, stage)
    assert seen == [[], [], []]


def test_what_unequal_classes_need_is_kept_too(open_session: Open, journal: Journal) -> None:
    _, session = open_session(STAGES)
    solve_head(session)
    session.offsets, session.best.evened_loss = np.array([-1.5, 0.5, 1.0], np.float32), 0.25
    Keeper(session, journal, 1.0).keep_solved(SOLVED)
    _, other = open_session(STAGES)
    assert Keeper(other, journal, 1.0).go_on() is not None
    assert other.offsets is not None
    assert other.offsets.tolist() == [-1.5, 0.5, 1.0]
    assert other.best.evened_loss == 0.25

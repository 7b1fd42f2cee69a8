"""The trial of a stage: images left out of its first epoch say whether it pays, before most of its time is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sightx_cli.features.extraction import Features
from sightx_cli.features.shards import Column, Shard
from sightx_cli.probe.linear_head import LinearSolution
from sightx_cli.progress import Recorder
from sightx_cli.recipe.stage_titles import SOLVED
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.train.loaders import CachedLoader, read_loader_state, set_loader_state
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_keeper import StageKeeper
from sightx_cli.train.stage_runs import open_trial, run_stage
from sightx_cli.train.stage_trial import FEWEST_LEFT_OUT, LeftOut, choose_left_out
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
HELPS = ('stage=[{train="last:2",epochs=2,rate=1e-4}]', "training.batch=8", "training.weight_average=0.9")
HELPED = "mini_resnet"
"""The network, of random weights, that is better for it."""
HARMS = 'stage=[{train="last:2",epochs=3,rate=1e-1}]'
LEFT_OUT = (11, 12)
"""So many of the 57 training images are a fifth."""


@pytest.fixture
def few_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a fifth of the digits be enough to tell."""
    monkeypatch.setattr("sightx_cli.train.stage_trial.FEWEST_LEFT_OUT", 8)


@pytest.fixture
def always_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets no stage count as one that has nothing to gain."""
    monkeypatch.setattr(LeftOut, "is_perfect", False)


def train(open_session: Open, *settings: str, **how: Any) -> tuple[Session, Recorder, dict[str, Tensor]]:
    """Solve the head and run the stages; gives the session, what was said, and the weights with the solved head."""
    heard = Recorder()
    session = open_session(*settings, listener=heard, **how)[1]
    solve_head(session)
    solved = {name: tensor.clone() for name, tensor in session.model.state_dict().items()}
    for stage in session.recipe.stage:
        run_stage(session, stage)
    return session, heard, solved


def list_epochs(session: Session) -> list[str]:
    return [str(row["stage"]) for row in session.history if row["stage"] != SOLVED]


def is_same(session: Session, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in session.model.state_dict().items())


def leave_out(session: Session, together: list[str] | None = None, balanced: bool = False) -> LeftOut | None:
    assert session.kept is not None
    targets = session.train.targets
    return choose_left_out(session.kept, targets, together or list(session.train.digests), session.task, balanced)


# --- what comes of it ---


@pytest.mark.usefixtures("few_suffice", "always_unsure")
@pytest.mark.parametrize("settings", [(), ("training.weight_average=0.9",)], ids=["weights", "running averages"])
def test_a_stage_that_makes_the_loss_worse_ends_after_one_epoch_and_the_solved_head_stays(
    open_session: Open, settings: tuple[str, ...]
) -> None:
    session, heard, solved = train(open_session, HARMS, *settings)
    assert list_epochs(session) == ["last:2"]
    (notice,) = [one for one in heard.notices if one.kind == "stage-ended"]
    assert notice.count in LEFT_OUT
    assert f"the log loss of {notice.count} training images left out of its first epoch rose by" in notice.text
    assert "--full trains it all the same" in notice.text
    assert (session.best.stage, session.best.backbone_trained) == (SOLVED, False)
    assert session.history[-1]["best"] == ""
    assert is_same(session, solved)


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_a_stage_that_ends_is_no_candidate_whatever_the_valid_part_says(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.metrics.figures.is_better", lambda *_: True)
    monkeypatch.setattr("sightx_cli.train.best_epoch.is_better", lambda *_: True)
    session, _, solved = train(open_session, HARMS)
    assert session.best.stage == SOLVED
    assert is_same(session, solved)


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_a_stage_that_helps_goes_on_to_its_last_epoch_and_says_by_how_much(open_session: Open) -> None:
    session, heard, _ = train(open_session, *HELPS, backbone=HELPED)
    assert list_epochs(session) == ["last:2", "last:2"]
    assert [one.kind for one in heard.notices if one.kind.startswith("stage-")] == []
    (said,) = [line for line in heard.notes if "left out of its first epoch fell by" in line]
    assert said.endswith("it goes on, on all images")


@pytest.mark.usefixtures("few_suffice", "always_unsure")
@pytest.mark.parametrize(("epochs", "trial"), [(3, 1), (4, 2), (5, 2), (6, 3)])
def test_a_loss_that_rose_little_has_half_of_the_epochs_to_fall_in(
    open_session: Open, monkeypatch: pytest.MonkeyPatch, epochs: int, trial: int
) -> None:
    monkeypatch.setattr("sightx_cli.train.stage_trial.HARM_ERRORS", 1e3)
    session, heard, solved = train(open_session, HARMS.replace("epochs=3", f"epochs={epochs}"))
    assert list_epochs(session) == ["last:2"] * trial
    (notice,) = [one for one in heard.notices if one.kind == "stage-ended"]
    assert f"left out of its first {f'{trial} epochs' if trial > 1 else 'epoch'} rose by" in notice.text
    assert len([line for line in heard.notes if line.endswith("one more epoch decides")]) == trial - 1
    assert [row["best"] for row in session.history if row["stage"] != SOLVED] == [""] * trial
    assert is_same(session, solved)


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_a_loss_that_rose_by_no_more_than_its_error_until_the_trial_ends_lets_the_stage_go_on(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.train.stage_trial.ALLOWED_ERRORS", 1e3)
    session, heard, _ = train(open_session, HARMS)
    assert list_epochs(session) == ["last:2"] * 3
    (said,) = [line for line in heard.notes if "left out of its first epoch rose by" in line]
    assert said.endswith("it goes on, on all images")


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_patience_does_not_end_a_stage_whose_trial_is_open(open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightx_cli.train.stage_trial.HARM_ERRORS", 1e3)
    session, heard, _ = train(open_session, HARMS.replace("epochs=3", "epochs=6"), "training.early_stop=1")
    assert list_epochs(session) == ["last:2"] * 3
    assert [one.kind for one in heard.notices if one.kind.startswith("stage-")] == ["stage-ended"]


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_an_open_trial_is_not_kept_so_that_a_fit_that_goes_on_begins_it_again(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.train.stage_trial.HARM_ERRORS", 1e3)
    kept: list[int] = []
    session = open_session(HARMS.replace("epochs=3", "epochs=4"))[1]
    solve_head(session)
    monkeypatch.setattr(StageKeeper, "is_begun", False)
    monkeypatch.setattr(StageKeeper, "keep", lambda _, judge, is_last: kept.append(judge.learn.epoch + 1))
    monkeypatch.setattr(StageKeeper, "restore", lambda *_: [])
    run_stage(session, session.recipe.stage[0], keeper=StageKeeper(None, 0))  # type: ignore[arg-type]  # not asked
    assert kept == [2]


@pytest.mark.usefixtures("few_suffice")
def test_a_stage_that_cannot_gain_more_than_chance_is_not_begun_and_the_figure_is_said(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.train.stage_trial.NOISE_ERRORS", 1e3)
    session, heard, solved = train(open_session, HARMS)
    assert list_epochs(session) == []
    (notice,) = [one for one in heard.notices if one.kind == "stage-skipped"]
    assert notice.count in LEFT_OUT
    left_out = leave_out(session)
    assert left_out is not None
    assert f"a head solved without them gets {int(left_out.mistakes.sum())} wrong" in notice.text
    assert "--full trains it all the same" in notice.text
    assert is_same(session, solved)


@pytest.mark.usefixtures("few_suffice")
def test_where_the_solved_head_makes_no_mistakes_the_stage_is_not_begun(open_session: Open, tmp_path: Path) -> None:
    for number in range(60):
        name, level = ("dark", 30) if number % 2 else ("light", 220)
        pixels = np.random.default_rng(number).normal(level, 12, (32, 32)).clip(0, 255).astype(np.uint8)
        (tmp_path / "plain" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "plain" / name / f"{number}.png")
    session, heard, solved = train(open_session, *HELPS, source=str(tmp_path / "plain"))
    assert list_epochs(session) == []
    assert [one.kind for one in heard.notices if one.kind.startswith("stage-")] == ["stage-skipped"]
    assert is_same(session, solved)
    full, _, _ = train(open_session, *HELPS, source=str(tmp_path / "plain"), full=True)
    assert list_epochs(full) == ["last:2", "last:2"]


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_in_full_even_a_stage_that_harms_is_trained_to_its_end_on_all_images(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch_rows(monkeypatch)
    session, heard, _ = train(open_session, HARMS, full=True)
    assert list_epochs(session) == 3 * ["last:2"]
    assert [one.kind for one in heard.notices if one.kind.startswith("stage-")] == []
    assert [len(rows) for rows in seen] == 3 * [57]


@pytest.mark.usefixtures("few_suffice", "always_unsure")
@pytest.mark.parametrize("how", [{"ordered": True}, {"multi_label": True}], ids=["grades", "several labels"])
def test_grades_and_several_labels_are_judged_alike(
    open_session: Open, digits: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    labels = {"nought": "1", "one": "2", "two": "1;2" if "multi_label" in how else "3"}
    rows = [f"{path},{labels[path.parent.name]}" for path in sorted(digits.rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    session, heard, solved = train(open_session, HARMS, source=str(tmp_path / "labels.csv"), **how)
    assert list_epochs(session) == ["last:2"]
    assert [one.kind for one in heard.notices if one.kind.startswith("stage-")] == ["stage-ended"]
    assert is_same(session, solved)


def test_without_full_and_with_too_few_images_there_is_no_trial(open_session: Open) -> None:
    session, heard, _ = train(open_session, HARMS)  # 11 would be left out, and 100 are needed
    assert list_epochs(session) == 3 * ["last:2"]
    assert not any("left out" in line for line in heard.notes)


# --- where there is a trial at all ---


@pytest.mark.usefixtures("few_suffice", "always_unsure")
@pytest.mark.parametrize(
    ("settings", "how"),
    [
        (('stage=[{train="head",epochs=1,rate=1e-3}]',), {}),
        ((*HELPS, "model.head.hidden=[8]"), {}),
        (HELPS, {"cache": False}),
        (('stage=[{train="all",epochs=1,rate=1e-4}]',), {}),
    ],
    ids=["the head alone", "a head that was not solved", "no cache", "every layer"],
)
def test_a_stage_that_trains_no_layers_on_cached_features_from_a_solved_head_has_no_trial(
    open_session: Open, settings: tuple[str, ...], how: dict[str, Any]
) -> None:
    session = open_session(*settings, **how)[1]
    solve_head(session)
    assert open_trial(session, session.recipe.stage[0]) is None


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_only_the_first_stage_that_changes_the_network_is_tried(open_session: Open) -> None:
    both = (HELPS[0].replace("]", ',{train="last:2",epochs=2,rate=1e-1}]'), *HELPS[1:])
    session, heard, _ = train(open_session, *both, "training.metric=loss", backbone=HELPED)
    assert session.best.backbone_trained
    assert len(list_epochs(session)) == 4
    assert sum("left out of its first epoch" in line for line in heard.notes) == 1


# --- which images are left out ---


def watch_rows(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The images that each epoch of a stage reads to train on, while it does."""
    epochs: list[list[int]] = []
    create, gather = CachedLoader.create_batches, CachedLoader.gather

    def begin(self: CachedLoader, samples: Any) -> Any:
        if self.shuffle:
            epochs.append([])
        return create(self, samples)

    def note(self: CachedLoader, rows: NDArray[np.int64], epoch: int) -> list[Tensor]:
        if self.shuffle:
            epochs[-1] += rows.tolist()
        return gather(self, rows, epoch)

    monkeypatch.setattr(CachedLoader, "create_batches", begin)
    monkeypatch.setattr(CachedLoader, "gather", note)
    return epochs


@pytest.mark.usefixtures("few_suffice", "always_unsure")
def test_images_left_out_of_the_first_epoch_are_seen_twice_in_the_next(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = leave_out(open_session(*HELPS, backbone=HELPED)[1])
    assert expected is not None
    seen = watch_rows(monkeypatch)
    train(open_session, *HELPS, backbone=HELPED)
    first, second = seen
    assert sorted(first) == sorted(set(range(57)) - set(expected.rows.tolist()))
    assert sorted(second) == sorted([*range(57), *expected.rows.tolist()])


def test_a_loader_passes_over_what_is_left_out_with_its_targets() -> None:
    values = np.arange(10, dtype=np.float32)[:, None]
    shard = Shard((), {"features": values})
    kept = Features({"features": Column((1,))}, (shard,), np.zeros(10, np.int32), np.arange(10, dtype=np.int32))
    loader = CachedLoader([kept], ["features"], 7 * np.arange(10), 4, True, torch.device("cpu"))
    loader.left_out = np.array([0, 3, 9])
    found = [(int(f[0]), int(t)) for features, targets in loader for f, t in zip(features, targets, strict=True)]
    assert sorted(found) == [(place, 7 * place) for place in (1, 2, 4, 5, 6, 7, 8)]
    loader.readmit(2)
    for _ in range(2):
        assert loader.next_batch == 5
        sizes = [len(targets) for _, targets in loader]
        assert sizes == [5, 5, 3]  # as many batches as without, which the course of the rates counts
    state = read_loader_state(loader)
    assert state["owed_epochs"] == 0
    assert loader.next_batch == 4
    assert sum(len(targets) for _, targets in loader) == 10
    set_loader_state(loader, {**state, "owed_epochs": 1})
    assert sum(len(targets) for _, targets in loader) == 13


@pytest.mark.usefixtures("few_suffice")
def test_a_fifth_of_each_class_is_left_out_and_counts_the_same_where_classes_do(open_session: Open) -> None:
    session = open_session(*HELPS)[1]
    found = leave_out(session, balanced=True)
    assert found is not None
    assert np.array_equal(found.targets, session.train.targets[found.rows])
    assert set(Counter(found.targets.tolist()).values()) <= {3, 4}
    shares = np.bincount(found.targets, found.weights)
    assert shares == pytest.approx(shares.mean())
    plain = leave_out(session)
    assert plain is not None
    assert np.array_equal(plain.weights, np.ones(len(plain.rows)))


def test_images_of_a_group_stay_together_and_groups_are_what_is_counted(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(*HELPS)[1]
    together = ["" for _ in session.train.targets]
    for label in range(3):
        for number, row in enumerate(np.flatnonzero(session.train.targets == label)):
            together[row] = f"{label}-{number // 2}"
    monkeypatch.setattr("sightx_cli.train.stage_trial.FEWEST_LEFT_OUT", 1)
    found = leave_out(session, together)
    assert found is not None
    inside = {together[row] for row in found.rows}
    assert not inside & {name for row, name in enumerate(together) if row not in set(found.rows.tolist())}
    assert len(np.unique(found.units)) == len(inside) < len(found.rows)
    monkeypatch.setattr("sightx_cli.train.stage_trial.FEWEST_LEFT_OUT", len(inside))
    assert leave_out(session, together) is not None
    monkeypatch.setattr("sightx_cli.train.stage_trial.FEWEST_LEFT_OUT", len(inside) + 1)
    assert leave_out(session, together) is None


@pytest.mark.usefixtures("few_suffice")
def test_the_head_that_judges_has_not_seen_what_is_left_out(open_session: Open) -> None:
    session = open_session(*HELPS)[1]
    assert session.kept is not None
    found = leave_out(session)
    assert found is not None
    solve_head(session)
    inside = session.task.measure_losses(
        torch.softmax(session.head(torch.from_numpy(session.kept.read_views()[0][found.rows])), 1).detach().numpy(),
        found.targets,
    )
    assert found.loss > float(np.mean(inside)), "the head solved on all images knows these"


def build_left_out(losses: list[float], units: list[int]) -> LeftOut:
    count = len(losses)
    head = LinearSolution(*(np.zeros((1, 1), np.float32),) * 4, 1.0, SingleLabel(("a", "b")))
    rows = np.arange(count)
    mistakes = (np.array(losses) > 0.7).astype(np.float64)
    return LeftOut(rows, np.zeros(count, np.int64), np.array(units), np.ones(count), np.array(losses), mistakes, head)


def test_images_of_one_group_are_no_more_evidence_than_one() -> None:
    losses = np.random.default_rng(0).exponential(size=50)
    alone = build_left_out(losses.tolist(), list(range(50)))
    grouped = build_left_out(losses.repeat(4).tolist(), [number // 4 for number in range(200)])
    assert grouped.measure_error(grouped.losses) == pytest.approx(alone.measure_error(alone.losses))
    assert alone.measure_error(alone.losses) == pytest.approx(float(losses.std()) / 50**0.5)


@pytest.mark.parametrize(("mistakes", "is_perfect"), [(0, True), (3, True), (5, False)])
def test_a_handful_of_mistakes_cannot_be_told_from_none(mistakes: int, is_perfect: bool) -> None:
    losses = [1.0] * mistakes + [0.0] * (200 - mistakes)
    assert build_left_out(losses, list(range(200))).is_perfect is is_perfect


def test_a_hundred_images_or_groups_are_needed() -> None:
    assert FEWEST_LEFT_OUT == 100

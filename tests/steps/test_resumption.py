"""A fit that was stopped anywhere goes on to what it would have been, or says in one line why it cannot."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import resource
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sightx_cli import audit, fit, predict, runs
from sightx_cli.errors import DataError, RunError, SightXError, UsageError
from sightx_cli.journal.journal import begin_journal, open_journal
from sightx_cli.progress import Recorder

HEAD_AND_MORE = 'stage=[{train="head",epochs=2,rate=1e-2},{train="last:1",epochs=2,rate=1e-3}]'
JOINING = (
    'stage=[{train="head",epochs=3,rate=1e-2,join=[{after=1,train="last:1",rate=1e-3},'
    '{after=2,train="last:2",rate=1e-3}]},{train="last:2",epochs=1,rate=1e-3}]'
)
ALL = 'stage=[{train="all",epochs=2,rate=1e-3},{train="last:2",epochs=1,rate=1e-3}]'
IDLE = 'stage=[{train="head",epochs=4,rate=1e-12},{train="last:1",epochs=1,rate=1e-3}]'
SAME = ("recipe.toml", "plan.json", "fingerprint.json", "split.csv", "metrics.json", "bundle/weights.safetensors")


class Stopped(BaseException):
    """What ends a fit in the tests: nothing catches it."""


class StopAfter(Recorder):
    """Stops a fit once this many rows of its history are in the journal."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.seen = rows, 0

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        self.seen += 1
        if self.seen > self.rows:
            raise Stopped


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def describe_fit(digits: Path, random_weights: Callable[[str], Path]) -> dict[str, Any]:
    return {
        "source": digits,
        "recipe": "natural-small",
        "backbone": "test_resnet",
        "weights": random_weights("test_resnet"),
        "engine": "torch",
        "settings": ["image.size_px=32", HEAD_AND_MORE],
        "full": True,
    }


@pytest.fixture
def how(digits: Path, random_weights: Callable[[str], Path]) -> dict[str, Any]:
    """A fit of the digits by a small network of random weights, which reads and converts little."""
    return describe_fit(digits, random_weights)


@pytest.fixture(scope="module")
def made(
    digits: Path, random_weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Such a run that is whole, and one that was stopped after two epochs of four."""
    with contextlib.chdir(tmp_path_factory.mktemp("made")):
        whole = fit(**describe_fit(digits, random_weights), out=Path("whole")).run
        with pytest.raises(Stopped):
            fit(**describe_fit(digits, random_weights), out=Path("begun"), listener=StopAfter(3))
        return whole, Path("begun").absolute()


@pytest.fixture
def whole(made: tuple[Path, Path]) -> Path:
    """The run that is whole; do not change it."""
    return made[0]


@pytest.fixture
def begun(made: tuple[Path, Path], home: Path) -> Path:
    """A run that was stopped after two epochs of four, to go on with."""
    return Path(shutil.copytree(made[1], home / "runs" / "begun"))


def list_all(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def stop(rows: int, **how: Any) -> Path:
    """Begin a fit, or go on with one, that stops when this many rows are kept; gives its folder."""
    with pytest.raises(Stopped):
        fit(listener=StopAfter(rows), **how)
    return how["resume"] if "resume" in how else next(one for one in runs.list_runs() if runs.is_unfinished(one))


def read_run(folder: Path) -> dict[str, Any]:
    """All of a run that a second run of the same must have too: no seconds, and nothing of the machine."""
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in SAME}
    plan = json.loads(found["plan.json"])
    plan.pop("command")  # it names the run's own folder
    found["plan.json"] = plan
    metrics = json.loads(found["metrics.json"])
    for name in ("command", "name", "environment"):  # the images' own folder, and the machine
        metrics["facts"].pop(name)
    found["metrics.json"] = metrics
    return found | {"history": pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv()}


def find_differences(one: Path, other: Path) -> list[str]:
    first, second = read_run(one), read_run(other)
    return [name for name, content in first.items() if content != second[name]]


ONE_EPOCH = '{train="head",epochs=1,rate=1e-2}'

KINDS: dict[str, dict[str, Any]] = {
    "head, then a stage": {},
    "groups that join": {"settings": [JOINING]},
    "patience": {"settings": [IDLE, "training.early_stop=2"]},
    "no cache": {"cache": False},
    "all, on images": {"settings": [ALL, "training.batch=16"]},
    "sgd, clip": {"settings": [HEAD_AND_MORE, 'training.optimizer="sgd"', "training.clip=0.5"]},
    "hidden layer, dropout": {"settings": [HEAD_AND_MORE, "model.head.hidden=[8]", "model.head.dropout=0.5"]},
    "rate auto": {"rate": "auto"},
    "scratch": {
        "settings": ['stage=[{train="scratch",epochs=3,rate=1e-3}]', 'model.weights="scratch"'],
        "weights": None,
    },
    "stages of one title": {"settings": ["model.head.hidden=[8]", f"stage=[{','.join(4 * [ONE_EPOCH])}]"]},
    "folds": {"folds": 3},
    "flat, smoothing": {"settings": [HEAD_AND_MORE, 'training.schedule="flat"', "training.label_smoothing=0.1"]},
    "running averages": {"settings": [HEAD_AND_MORE, "training.weight_average=0.9"]},
    "running averages of parts that join": {"settings": [JOINING, "training.weight_average=0.9"]},
    "the head alone is not begun": {"full": False},
    "cosine": {"settings": [HEAD_AND_MORE, 'training.schedule="cosine"', "training.warmup_epochs=1"]},
}
LONG = {
    "all, on images",
    "patience",
    "no cache",
    "hidden layer, dropout",
    "groups that join",
    "sgd, clip",
    "flat, smoothing",
    "cosine",
}
LONG |= {
    "all, on images",
    "the head alone is not begun",
    "running averages",
    "running averages of parts that join",
    "rate auto",
    "stages of one title",
    "scratch",
    "folds",
}
"""Left to `make test-all`: each stops a fit after every epoch."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in LONG else []) for kind in KINDS]
)
def test_a_fit_that_is_stopped_after_each_epoch_becomes_the_run_that_it_would_have_been(
    how: dict[str, Any], kind: str
) -> None:
    how |= KINDS[kind]
    how["settings"] = ["image.size_px=32", 'training.metric="loss"', *how["settings"]]
    whole = fit(**how).run
    rows = len(pd.read_csv(whole / "history.csv"))
    folder = stop(1, **how)
    for kept in range(2, rows):
        stop(kept, resume=folder)
        assert len(list((folder / "checkpoint").glob("*.safetensors"))) <= 4
    heard = Recorder()
    assert fit(resume=folder, listener=heard).run == folder.absolute()
    assert [line for line in heard.warnings if not line.startswith("never recognised")] == []
    assert find_differences(whole, folder) == []
    assert sorted(one.name for one in folder.iterdir()) == sorted(one.name for one in whole.iterdir())


JUDGED = {
    "goes on": ('{train="last:2",epochs=2,rate=1e-4}', ["last:2", "last:2"]),
    "ends, and another begins": (
        '{train="last:1",epochs=3,rate=1e-1},{train="last:2",epochs=1,rate=1e-4}',
        ["last:1", "last:2"],
    ),
}
"""Stages whose first epoch is judged on training images left out of it, and the epochs that are trained."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["goes on", pytest.param("ends, and another begins", marks=pytest.mark.slow)])
def test_a_fit_whose_stages_are_judged_is_the_same_wherever_it_was_stopped(
    how: dict[str, Any], random_weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("sightx_cli.train.stage_trial.FEWEST_LEFT_OUT", 8)
    monkeypatch.setattr("sightx_cli.train.stage_trial.LeftOut.is_perfect", False)
    importlib.import_module("sightx_cli.model.mini")  # so that timm knows the network
    how |= {"backbone": "mini_resnet", "weights": random_weights("mini_resnet"), "full": False}
    stages, epochs = JUDGED[kind]
    small = ["image.size_px=32", "training.batch=8", "training.weight_average=0.9"]
    how["settings"] = [*small, 'training.metric="loss"', f"stage=[{stages}]"]
    whole = fit(**how).run
    rows = pd.read_csv(whole / "history.csv")["stage"].tolist()
    assert rows == ["solved head", *epochs]
    folder = stop(1, **how)
    for kept in range(2, len(rows)):
        stop(kept, resume=folder)
    fit(resume=folder)
    assert find_differences(whole, folder) == []


@pytest.mark.slow
def test_a_test_part_is_measured_as_if_nothing_had_stopped(how: dict[str, Any], digits: Path, home: Path) -> None:
    for image in digits.rglob("*.png"):
        part = "test" if int(image.stem) >= 18 else "train"
        (home / "data" / part / image.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(image, home / "data" / part / image.parent.name / image.name)
    how |= {"source": Path("data"), "settings": ["image.size_px=32", "stage.0.epochs=2"]}
    whole, folder = fit(**how).run, stop(2, **how)
    result = fit(resume=folder)
    assert result.test is not None
    assert find_differences(whole, folder) == []


@pytest.mark.slow
def test_grades_go_on_as_grades(how: dict[str, Any], digits: Path, home: Path) -> None:
    for number, name in enumerate(("nought", "one", "two")):
        shutil.copytree(digits / name, home / "grades" / f"{number}_{name}")
    how |= {"source": Path("grades"), "settings": ["image.size_px=32", "stage.0.epochs=2"], "ordered": True}
    whole, folder = fit(**how).run, stop(2, **how)
    assert fit(resume=folder).task == "grades"
    assert find_differences(whole, folder) == []


@pytest.mark.slow
def test_a_recipe_that_was_chosen_by_the_images_and_the_probe_is_not_chosen_again(
    how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del how["recipe"]
    whole, folder = fit(**how).run, stop(2, **how)
    for name in ("steps.preparation.measure_manifest_shift", "steps.recipe_probe.probe_recipe"):
        monkeypatch.setattr(f"sightx_cli.{name}", None)
    result = fit(resume=folder)
    assert result.probe is not None
    assert find_differences(whole, folder) == []


@pytest.mark.slow
def test_what_was_warned_of_before_the_stop_is_said_again_and_stands_in_the_result(
    how: dict[str, Any], digits: Path, home: Path
) -> None:
    shutil.copytree(digits, home / "data")
    (home / "data" / "one" / "broken.png").write_bytes(b"no image")
    how["source"] = Path("data")
    whole, folder = fit(**how), stop(2, **how)
    heard = Recorder()
    result = fit(resume=folder, listener=heard)
    assert any("broken.png" in line for line in whole.warnings)
    assert tuple(heard.warnings) == result.warnings == whole.warnings
    assert result.unreadable == whole.unreadable


@pytest.mark.slow
def test_the_seconds_of_every_stage_stand_in_the_result(begun: Path) -> None:
    seconds = fit(resume=begun).seconds
    assert seconds["stage head"] > 0
    assert seconds["stage last:1"] > 0


# --- damaged files ---


@pytest.mark.parametrize("kept", ["epoch-3.safetensors", "epoch-2.safetensors"])
def test_a_damaged_point_is_said_and_the_fit_goes_on_from_the_one_before(whole: Path, begun: Path, kept: str) -> None:
    for name in {"epoch-3.safetensors", kept}:
        (begun / "checkpoint" / name).write_bytes(b"damaged")
    heard = Recorder()
    fit(resume=begun, listener=heard)
    said = "training starts again" if kept == "epoch-2.safetensors" else "going on from stage: head, epoch 1 of 2"
    assert [said in line for line in heard.warnings] == [True]
    assert find_differences(whole, begun) == []


@pytest.mark.slow
def test_a_damaged_journal_is_said_and_the_one_before_is_used(whole: Path, begun: Path) -> None:
    (begun / "journal.json").write_text((begun / "journal.json").read_text()[:-20])
    heard = Recorder()
    fit(resume=begun, listener=heard)
    assert ["journal.json is damaged" in line for line in heard.warnings] == [True]
    assert find_differences(whole, begun) == []


def test_damaged_decisions_are_refused_in_one_line_and_nothing_is_lost(begun: Path) -> None:
    (begun / "checkpoint" / "decisions.json").write_text("{")
    before = list_all(begun)
    with pytest.raises(RunError, match=r"decisions\.json is damaged"):
        fit(resume=begun)
    assert list_all(begun) == before


# --- what is refused ---


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"seed": 1}, "was begun without --seed, not with --seed 1"),
        ({"recipe": "medical-small"}, "was begun with --recipe natural-small, not with --recipe medical-small"),
        ({"settings": ["image.size_px=64"]}, "was begun with --set image.size_px=32 --set"),
        ({"shift": "similar"}, "was begun without --shift, not with --shift similar"),
        ({"probe": False}, "was begun without --no-probe, not with --no-probe"),
        ({"resplit": True}, "was begun without --resplit, not with --resplit"),
    ],
    ids=str,
)
def test_options_that_say_something_else_are_refused_with_what_differs(
    begun: Path, home: Path, other: dict[str, Any], words: str
) -> None:
    (home / "mine").mkdir()
    before = list_all(home)
    for more in ({}, {"out": Path("mine"), "overwrite": True}):
        with pytest.raises(UsageError, match=words) as caught:
            fit(resume=begun, **other, **more)
        assert "leave --" in caught.value.hint
    assert list_all(home) == before
    assert (home / "mine").is_dir()


def test_the_same_options_again_and_those_of_the_machine_are_taken(begun: Path, how: dict[str, Any]) -> None:
    assert fit(resume=begun, **{**how, "engine": "openvino"}).stopped == ""


@pytest.mark.parametrize(
    ("what", "words"),
    [("changed", r"1 image is changed \(one/03.png\)"), ("new", "1 image is new"), ("gone", "1 image is gone")],
)
@pytest.mark.parametrize("rows", [0, 2])
def test_images_that_are_not_the_same_are_refused_by_name_and_nothing_is_lost(
    how: dict[str, Any], digits: Path, home: Path, what: str, words: str, rows: int
) -> None:
    shutil.copytree(digits, home / "data")
    folder = stop(rows, **{**how, "source": Path("data")}) if rows else begin_decided({**how, "source": Path("data")})
    image = home / "data" / "one" / "03.png"
    if what == "changed":
        shutil.copy(home / "data" / "one" / "04.png", image)
    elif what == "new":
        shutil.copy(image, image.with_name("99.png"))
    else:
        image.unlink()
    before = list_all(folder)
    with pytest.raises(DataError, match=words) as caught:
        fit(resume=folder)
    assert "as it was" in caught.value.hint
    assert list_all(folder) == before


def begin_decided(how: dict[str, Any]) -> Path:
    """Begin a fit that is killed when everything is decided and nothing trained."""

    class Kill(Recorder):
        def show_plan(self, *_: Any) -> None:
            (folder,) = runs.list_runs()
            shutil.copytree(folder, "copy")
            raise Stopped

    with pytest.raises(Stopped):
        fit(listener=Kill(), **how)
    return Path("copy").rename(runs.RUNS / "decided") if runs.RUNS.exists() else Path("copy")


@pytest.mark.slow
def test_images_that_lie_elsewhere_now_are_given_anew(how: dict[str, Any], whole: Path, digits: Path) -> None:
    shutil.copytree(digits, "data")
    folder = stop(2, **{**how, "source": Path("data")})
    Path("data").rename("moved")
    with pytest.raises(SightXError, match="data"):
        fit(resume=folder)
    fit(source=Path("moved"), resume=folder)
    assert find_differences(whole, folder) == ["fingerprint.json"] or find_differences(whole, folder) == []


def test_a_second_process_on_the_same_run_is_refused(begun: Path) -> None:
    held, _ = open_journal(begun)
    before = list_all(begun)
    with pytest.raises(RunError, match="another process works on it"):
        fit(resume=begun)
    assert list_all(begun) == before
    held.close()


def test_a_finished_run_is_not_gone_on_with(whole: Path) -> None:
    before = list_all(whole)
    with pytest.raises(RunError, match="is finished"):
        fit(resume=whole)
    assert list_all(whole) == before


def test_an_unfinished_run_is_never_taken_for_a_whole_one(begun: Path, digits: Path) -> None:
    for use in (lambda: predict(digits, model=begun), lambda: audit(run=begun), lambda: runs.find_run(begun)):
        with pytest.raises(RunError, match="unfinished") as caught:
            use()
        assert caught.value.hint.startswith("sightx fit --resume runs/begun goes on")
    assert not os.path.lexists("runs/latest")
    with pytest.raises(RunError, match="no run yet"):
        runs.find_run(None)


# --- where a run lies ---


@pytest.mark.slow
def test_out_goes_on_with_a_copy(whole: Path, begun: Path, home: Path) -> None:
    before = list_all(begun)
    assert fit(resume=begun, out=Path("new/copy")).run == home / "new" / "copy"
    assert list_all(begun) == before
    assert find_differences(whole, home / "new" / "copy") == []


def test_a_copy_takes_the_place_of_a_run_only_when_it_is_whole_and_a_refused_one_leaves_nothing(
    whole: Path, begun: Path, home: Path, digits: Path
) -> None:
    shutil.copytree(whole, home / "mine")
    (home / "mine" / "model_card.md").write_text("old")
    other = shutil.copytree(digits, home.parent / "other")
    shutil.copy(other / "one" / "00.png", other / "one" / "more.png")
    before = list_all(home)
    with pytest.raises(DataError, match="is not what this run was begun with"):
        fit(source=other, resume=begun, out=Path("mine"), overwrite=True)
    assert list_all(home) == before
    assert fit(resume=begun, out=Path("mine"), overwrite=True).run == home / "mine"
    assert (home / "mine" / "model_card.md").read_text() != "old"
    assert find_differences(whole, home / "mine") == []
    assert sorted(path.name for path in home.iterdir()) == ["mine", "runs"]


def test_overwrite_keeps_what_is_there_until_the_new_run_is_whole(how: dict[str, Any], begun: Path, home: Path) -> None:
    before = list_all(begun)
    with pytest.raises(SightXError, match="nowhere"):
        fit(**{**how, "source": Path("nowhere")}, out=begun, overwrite=True)
    assert list_all(begun) == before

    heard = StopAfter(9)
    heard.start = lambda *_: seen.append(list_all(begun))  # type: ignore[method-assign]
    seen: list[dict[str, bytes]] = []
    result = fit(**how, out=begun, overwrite=True, listener=heard)
    assert result.run == begun
    assert all(one == before for one in seen)
    assert runs.find_run(begun) == begun
    assert [path.name for path in runs.list_runs()] == ["begun"]


def test_of_two_fits_to_one_place_the_second_is_refused(how: dict[str, Any], home: Path) -> None:
    class Second(Recorder):
        def show_plan(self, *_: Any) -> None:
            with pytest.raises(RunError, match="unfinished"):
                fit(**how, out=Path("mine"))
            with pytest.raises(RunError, match="another process works on this run"):
                fit(**how, out=Path("mine"), overwrite=True)

    assert fit(**how, out=Path("mine"), listener=Second()).run == home / "mine"


def test_fits_that_begin_in_the_same_second_have_runs_of_their_own(
    how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = runs.choose_run_folder

    def choose_late(*given: Any) -> Path:
        folder = choose(*given)
        if not taken:
            taken.append(begin_journal(folder, {}))
        return folder

    taken: list[Any] = []
    monkeypatch.setattr(runs, "choose_run_folder", choose_late)
    folder = stop(2, **how)
    assert folder != taken[0].folder
    assert len(runs.list_runs()) == 2
    taken[0].close()


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_a_run_has_the_permissions_that_the_users_umask_gives(begun: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for path in begun.rglob("*"):
            path.chmod(0o777 & ~umask if path.is_dir() else 0o666 & ~umask)

        class Look(Recorder):
            def start(self, *_: Any) -> None:
                modes.update(read_modes(begun))

        modes: dict[str, int] = {}
        fit(resume=begun, listener=Look())
        modes |= read_modes(begun)
    finally:
        os.umask(before)
    assert "checkpoint/epoch-4.safetensors" in modes
    assert "bundle/weights.safetensors" in modes
    wrong = {name: oct(mode) for name, mode in modes.items() if mode & 0o777 not in (0o777 & ~umask, 0o666 & ~umask)}
    assert wrong == {}


def read_modes(folder: Path) -> dict[str, int]:
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # while it is replaced
            found[path.relative_to(folder).as_posix()] = path.stat().st_mode
    return found


# --- what is left, and where it cannot be written ---


@pytest.mark.slow
def test_the_callers_random_state_is_untouched(begun: Path) -> None:
    def read() -> tuple[Any, ...]:
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()

    before = read()
    stop(4, resume=begun)
    assert read() == before
    fit(resume=begun)
    assert read() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plot_training", "plot_confusion", "describe_environment"])
def test_what_only_describes_a_run_fails_alone(
    whole: Path, begun: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no fonts")

    monkeypatch.setattr(f"sightx_cli.steps.run_files.{name}", fail)
    result = fit(resume=begun)
    assert ["ValueError: no fonts" in line for line in result.warnings] == [True]
    assert find_differences(whole, begun) == []
    assert runs.find_run(None) == begun.resolve()


def test_a_disk_that_is_full_for_the_checkpoints_is_said_once_and_changes_no_figure(whole: Path, begun: Path) -> None:
    class Fill(Recorder):
        """Leaves no room for a point while the stages run."""

        def start(self, task: str, total: int | None, unit: str) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, ((3_000 if task.startswith("stage") else soft), hard))

        def finish(self, task: str) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = Fill()
    try:
        fit(resume=begun, listener=heard)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(heard.warnings) == 1, heard.warnings
    assert "after a crash it goes on from stage: head, epoch 2 of 2" in heard.warnings[0]
    assert find_differences(whole, begun) == []


def test_a_full_disk_leaves_no_files_of_points_that_are_not_kept(begun: Path) -> None:
    names = sorted(path.name for path in (begun / "checkpoint").glob("*"))

    class Fill(StopAfter):
        """Leaves room for what is small, and none for a point."""

        def start(self, task: str, total: int | None, unit: str) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, ((3_000 if task.startswith("stage") else soft), hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(Stopped):
            fit(resume=begun, listener=Fill(4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in (begun / "checkpoint").glob("*")) == names


def test_what_killed_processes_left_is_swept_when_the_next_fit_begins_and_unfinished_runs_are_named(
    how: dict[str, Any], begun: Path, whole: Path, digits: Path
) -> None:
    begin_journal(runs.RUNS.absolute() / "idle", {}).close()
    running = begin_journal(runs.RUNS.absolute() / "running", {})
    (runs.RUNS / ".old-removed").mkdir()
    finished = shutil.copytree(whole, runs.RUNS / "finished")
    (finished / "checkpoint").mkdir()
    heard = Recorder()
    fit(**how, listener=heard)
    said = [line for line in heard.notes if "unfinished" in line]
    assert len(said) == 2
    assert "removed 1 unfinished run" in said[0]
    assert "sightx fit --resume runs/begun goes on with it" in said[1]
    assert runs.is_unfinished(running.folder)
    assert not (finished / "checkpoint").exists()
    assert sorted(path.name for path in runs.RUNS.iterdir())[-4:] == ["begun", "finished", "latest", "running"]
    running.close()

"""`fit` from Python: the same numbers for the same seed, a product that does what is reported, nothing half done."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from sightx_cli import find_lr, fit, predict, runs
from sightx_cli.api.backbones import backbones
from sightx_cli.api.probe import probe
from sightx_cli.errors import DataError, ModelError, RunError, SightXError, UsageError
from sightx_cli.journal.journal import begin_journal
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.plan import PlanValue
from tests.conftest import press_ctrl_c

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

Open = Callable[..., tuple[Any, Any]]
SHORT = 'stage=[{train="head",epochs=1,rate=1e-2},{train="last:1",epochs=1,rate=1e-3}]'
ALL = 'stage=[{train="all",epochs=2,rate=1e-2}]'
PARTS = 'stage=[{train="last-blocks:2",epochs=1,rate=1e-2},{train="last:50%",epochs=1,rate=1e-3}]'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def fit_small(digits: Path, random_weights: Callable[[str], Path]) -> Callable[..., FitResult]:
    """Fits the digits by natural-small with a small network of random weights: `fit_small("stage.0.epochs=1")`.

    Every stage trains in full.
    """

    def run(*settings: str, backbone: str = "test_resnet", source: Path = digits, **how: Any) -> FitResult:
        how = {"recipe": "natural-small", "weights": random_weights(backbone), "full": True, **how}
        return fit(source, backbone=backbone, settings=("image.size_px=32", "stage.0.epochs=1", *settings), **how)

    return run


def list_all(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


class PressCtrlC(Recorder):
    """Presses Ctrl-C when an epoch, or a task, of this name comes."""

    def __init__(self, epoch: tuple[str, int] | None = None, task: str = "") -> None:
        super().__init__()
        self.epoch_name, self.task_name = epoch, task

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        if (row["stage"], row["epoch"]) == self.epoch_name:
            press_ctrl_c()

    def start(self, task: str, total: int | None, unit: str) -> None:
        if self.task_name and task.startswith(self.task_name):
            press_ctrl_c()


# --- the same seed, the same numbers ---


def train_all(open_session: Open, *settings: str, rate: float | str | None = None, **how: Any) -> tuple[Any, Any]:
    """Train as `fit` does; gives the history without its seconds, and the weights."""
    from sightx_cli.steps.training_stages import train

    preparation, session = open_session(SHORT, *settings, rate=rate, **how)
    with tempfile.TemporaryDirectory() as folder:
        train(preparation, session, begin_journal(Path(folder) / "run", {}), Silent())
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in session.history]
    return repr(rows), {name: tensor.numpy().tobytes() for name, tensor in session.model.state_dict().items()}


@pytest.mark.parametrize(
    ("threads", "how"),
    [
        pytest.param(2, {}, marks=pytest.mark.slow),
        (1, {"cache": False}),
        (1, {"engine": "openvino"}),
        pytest.param(1, {"rate": "auto"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_numbers_to_the_bit(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, how: dict[str, Any]
) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = []
        for store in ("first", "second", "second"):  # a cold store each, then the warm one
            monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / store))
            found.append(train_all(open_session, **how))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("cache", [True, False], ids=["cached", "no cache"])
def test_another_seed_gives_other_numbers(open_session: Open, cache: bool) -> None:
    first, second = (train_all(open_session, seed=seed, cache=cache) for seed in (0, 1))
    assert first[0] != second[0]


def test_the_seed_decides_the_split(open_session: Open) -> None:
    parts = [set(open_session(seed=seed)[1].valid.paths) for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


# --- the product does what is reported ---


def count_right(run: Path, source: Path, part: str, batch: int) -> tuple[int, int]:
    """Predict a part's images from the bundle as a user would; gives how many are right, of how many."""
    rows = pd.read_csv(run / "split.csv")
    rows = rows[rows["split"] == part]
    files = [source / image for image in rows["image"]]
    predict(files, model=run, output=Path("check.csv"), batch=batch, overwrite=True)
    found = pd.read_csv("check.csv")
    assert found["image"].tolist() == [str(file) for file in files]
    return int((found["prediction"].to_numpy() == rows["label"].to_numpy()).sum()), len(rows)


@pytest.mark.slow  # tests/features/test_prefix.py holds the same of the features alone
def test_a_cache_that_cannot_be_written_is_one_warning_and_changes_no_figure(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(store: Path) -> tuple[dict[str, Any], bytes, list[str]]:
        monkeypatch.setenv("SIGHTX_CACHE", str(store))
        settings, heard = ("image.size_px=64", "stage.0.epochs=1"), Recorder()
        result = fit(digits, shift="similar", settings=settings, out=Path(store.name), listener=heard)
        weights = (result.run / "bundle" / "weights.safetensors").read_bytes()
        return {"metrics": result.metrics, "probe": result.probe.evidence}, weights, heard.warnings

    (tmp_path / "harmed").write_text("no folder")
    figures, weights, _ = run(tmp_path / "sound")
    same_figures, same_weights, warnings = run(tmp_path / "harmed")
    assert (same_figures, same_weights) == (figures, weights)
    assert len([line for line in warnings if "cannot be written (File exists)" in line]) == len(warnings) == 1


@pytest.mark.parametrize("batch", [1, 16, 32])
def test_the_bundle_gives_the_accuracy_reported_to_the_image(digits_run: FitResult, digits: Path, batch: int) -> None:
    reported = json.loads((digits_run.run / "metrics.json").read_text())["valid"]["metrics"]["accuracy"]
    right, total = count_right(digits_run.run, digits, "valid", batch)
    assert right / total == reported == digits_run.metrics["accuracy"]


def test_a_large_valid_part_of_a_trained_head_is_measured_on_cached_features_and_the_bundle_gives_the_same_labels(
    fit_small: Callable[..., FitResult], digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.steps.evaluation.CHECKED_IMAGES", 3)
    result = fit_small('stage=[{train="head",epochs=1,rate=1e-4}]')
    valid = json.loads((result.run / "metrics.json").read_text())["valid"]
    assert 3 <= valid["predicted_by_bundle"] < valid["images"] == result.images["valid"]
    right, total = count_right(result.run, digits, "valid", 16)
    assert right / total == result.metrics["accuracy"]


def test_a_bundle_that_answers_otherwise_than_the_cached_features_is_measured_on_every_image(
    fit_small: Callable[..., FitResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.steps.evaluation.CHECKED_IMAGES", 3)
    monkeypatch.setattr("sightx_cli.bundle.parity.SAME", -1.0)  # nothing is as near as that
    result = fit_small('stage=[{train="head",epochs=1,rate=1e-4}]')
    valid = json.loads((result.run / "metrics.json").read_text())["valid"]
    assert valid["predicted_by_bundle"] == valid["images"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ((PARTS, 'model.head.taps="all"', 'image.fit="pad"', 'training.metric="loss"'), {}),
        pytest.param(
            ('stage=[{train="last:1",epochs=2,rate=1e-2}]',), {"backbone": "coat_tiny"}, marks=pytest.mark.slow
        ),
        ((ALL, 'model.weights="scratch"', "model.head.hidden=[16]"), {"weights": None, "cache": False}),
    ],
    ids=["parts, taps", "cannot be cut", "all from scratch, no cache, hidden layer"],
)
def test_whatever_trains_the_bundle_gives_the_accuracy_reported(
    fit_small: Callable[..., FitResult], digits: Path, settings: tuple[str, ...], how: dict[str, Any]
) -> None:
    heard = Recorder()
    result = fit_small("training.views=2", *settings, listener=heard, engine="torch", **how)
    right, total = count_right(result.run, digits, "valid", 16)
    assert right / total == result.metrics["accuracy"]
    starred = pd.read_csv(result.run / "history.csv", float_precision="round_trip").query("best == 'yes'").iloc[-1]
    assert starred["accuracy"] == result.metrics["accuracy"]
    assert result.calibration is not None
    assert starred["valid_loss"] == pytest.approx(result.calibration.before["loss"], abs=0.005)
    missed = [notice.text for notice in heard.notices if notice.kind == "never-recognised"]  # by random weights
    assert heard.warnings == missed
    has_kept = "cache" not in how and "backbone" not in how
    assert (result.prefix.engine, result.prefix.views) == (("torch", 2) if has_kept else ("none", 0))


def test_a_test_part_is_measured_and_never_trained_on_or_chosen_by(
    fit_small: Callable[..., FitResult], digits: Path, home: Path
) -> None:
    results = []
    for number, held_out in enumerate((range(20, 24), range(16, 20))):
        source = home / f"data{number}"
        for image in digits.rglob("*.png"):
            if int(image.stem) < 16:
                shutil.copy(image, make_parent(source / "train" / image.parent.name / image.name))
            elif int(image.stem) in held_out:
                shutil.copy(image, make_parent(source / "test" / image.parent.name / image.name))
        results.append(fit_small(source=source))
    first, second = results
    rows = pd.read_csv(first.run / "split.csv")
    assert set(rows[rows["image"].str.startswith("test/")]["split"]) == {"test"}
    assert set(rows[rows["image"].str.startswith("train/")]["split"]) == {"train", "valid"}
    assert first.images == {"train": 39, "valid": 9}
    weights = [(result.run / "bundle" / "weights.safetensors").read_bytes() for result in results]
    assert weights[0] == weights[1], "another test part, the same model"
    assert first.metrics == second.metrics
    assert first.test is not None
    right, total = count_right(first.run, home / "data0", "test", 16)
    assert (right / total, total) == (first.test.metrics["accuracy"], 12)
    assert json.loads((first.run / "metrics.json").read_text())["test"]["metrics"] == first.test.metrics


def make_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# --- rates from the command line ---


def test_a_rate_is_the_heads_in_the_first_stage_and_the_others_keep_their_ratio(open_session: Open) -> None:
    from sightx_cli.steps.training_stages import choose_rate_factor

    stages = 'stage=[{train="last:1",epochs=1,rate={head=1e-3,backbone=1e-4}},{train="last:1",epochs=1,rate=5e-4}]'
    preparation, session = open_session(stages, rate=2e-3)
    assert choose_rate_factor(preparation, session, Silent(), True) == pytest.approx(2.0)


def test_rate_auto_takes_the_finders_valley(open_session: Open) -> None:
    from sightx_cli.steps.training_stages import choose_rate_factor
    from sightx_cli.train.rate_finder import find_rates
    from sightx_cli.train.solved_head import scale_head

    settings = ("stage.0.rate=2e-3", "model.head.hidden=[8]")
    preparation, session = open_session(*settings, rate="auto")
    factor = choose_rate_factor(preparation, session, Silent(), False)
    preparation, session = open_session(*settings, rate="auto")
    scale_head(session)
    found = find_rates(session, preparation.recipe.stage[0])
    assert factor * 2e-3 == pytest.approx(found.chosen)


def test_rate_auto_keeps_the_recipes_rate_for_a_head_that_is_solved_already(open_session: Open) -> None:
    from sightx_cli.steps.training_stages import choose_rate_factor
    from sightx_cli.train.solved_head import solve_head

    preparation, session = open_session("stage.0.rate=2e-3", rate="auto")
    heard = Recorder()
    assert solve_head(session) is not None
    assert choose_rate_factor(preparation, session, heard, True) == 1.0
    assert any("recipe's rate is kept" in note for note in heard.notes)


def test_the_rate_stands_in_the_plan(fit_small: Callable[..., FitResult]) -> None:
    run = fit_small("stage.0.rate=2e-3", rate=4e-3).run
    plan = json.loads((run / "plan.json").read_text())["values"]
    assert plan["rate"] == {"value": 4e-3, "origin": "option"}
    assert plan["rate.factor"] == {"value": pytest.approx(2.0), "origin": "option"}
    # Who fits again with the run's recipe trains at the same rate.
    assert tomllib.loads((run / "recipe.toml").read_text())["stage"][0]["rate"] == pytest.approx(4e-3)


# --- interrupted, refused, failed ---


@pytest.mark.slow
@pytest.mark.parametrize("at", [("solved head", 0), ("head", 1)], ids=str)
def test_ctrl_c_after_an_epoch_leaves_a_run_that_predicts(
    fit_small: Callable[..., FitResult], digits: Path, at: tuple[str, int]
) -> None:
    listener = PressCtrlC(epoch=at)
    result = fit_small("stage.0.epochs=3", listener=listener)
    assert result.interrupted
    assert "interrupted" in result.warnings[0]
    history = pd.read_csv(result.run / "history.csv")
    assert (history["stage"].iloc[-1], int(history["epoch"].iloc[-1])) == at
    right, total = count_right(result.run, digits, "valid", 16)
    assert right / total == result.metrics["accuracy"]
    assert Path("runs/latest").resolve() == result.run


def test_ctrl_c_while_nothing_is_decided_leaves_nothing(fit_small: Callable[..., FitResult], home: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit_small(listener=PressCtrlC(task="checking the files"))
    assert list_all(home) == []


@pytest.mark.slow
@pytest.mark.parametrize("task", ["learning-rate finder", "measuring the valid part"])
def test_ctrl_c_before_the_run_is_whole_leaves_one_to_go_on_with(
    fit_small: Callable[..., FitResult], home: Path, task: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit_small(rate="auto", listener=PressCtrlC(task=task))
    (folder,) = runs.list_runs()
    assert runs.is_unfinished(folder)
    assert not (home / "runs" / "latest").exists()
    with pytest.raises(RunError, match="unfinished"):
        runs.find_run(folder)
    assert fit(resume=folder).stopped == ""
    assert runs.find_run(None) == folder.resolve()


def test_ctrl_c_while_the_frozen_layers_run_leaves_neither_a_whole_run_nor_a_half_store(
    fit_small: Callable[..., FitResult], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))
    with pytest.raises(KeyboardInterrupt):
        fit_small("training.views=2", listener=PressCtrlC(task="frozen layers, view 2"), engine="torch")
    assert [runs.is_unfinished(folder) for folder in runs.list_runs()] == [True]
    assert list((tmp_path / "store").rglob("shard.json"))
    assert not list((tmp_path / "store").rglob(".writing-*"))


@pytest.mark.slow
@pytest.mark.parametrize("cache", [True, False], ids=["cached", "no cache"])
def test_a_loss_that_is_not_finite_leaves_the_run_of_the_best_epoch(
    fit_small: Callable[..., FitResult], digits: Path, cache: bool
) -> None:
    result = fit_small("stage.0.epochs=5", "training.batch=8", rate=1e9, cache=cache, engine="torch")
    assert "finite" in result.stopped
    assert "try a tenth of the rate" in result.warnings[0]
    right, total = count_right(result.run, digits, "valid", 16)
    assert right / total == result.metrics["accuracy"]


@pytest.mark.parametrize(("shift", "recipe"), [("similar", "natural-small"), ("different", "medical-small")])
def test_auto_with_a_shift_takes_the_tables_recipe_and_says_why(digits: Path, shift: str, recipe: str) -> None:
    from sightx_cli.steps.options import Options
    from sightx_cli.steps.preparation import prepare

    preparation = prepare(Options(str(digits), shift=shift), Silent())
    assert preparation.recipe.name == recipe
    assert "72 images" in preparation.plan.reason
    assert "72 images" in preparation.plan.sentence


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"recipe": "natural-smal"}, SightXError),
        ({"settings": ("image.sizepx=32",)}, SightXError),
        ({"profile": "sunny"}, SightXError),
        ({"out": Path("there")}, RunError),
        ({"backbone": "resnet81"}, SightXError),
        ({"weights": Path("nowhere.pth")}, SightXError),
        ({"device": "tpu"}, UsageError),
        ({"seed": -1}, UsageError),
        ({"seed": 2**32}, UsageError),
        ({"engine": "onnx"}, UsageError),
        ({"group_by": "("}, DataError),
    ],
    ids=str,
)
def test_what_is_refused_leaves_nothing(digits: Path, home: Path, how: dict[str, Any], error: type[Exception]) -> None:
    (home / "there").mkdir()
    with pytest.raises(error) as caught:
        fit(digits, **{"recipe": "natural-small", **how})
    assert caught.value.hint
    assert [name for name in list_all(home) if name not in ("there", "runs")] == []


def test_out_that_exists_is_refused_before_any_work(digits: Path, home: Path) -> None:
    (home / "there").mkdir()
    heard = Recorder()
    with pytest.raises(RunError):
        fit(digits, recipe="natural-small", out=Path("there"), listener=heard)
    assert (heard.tasks, heard.plans) == ([], [])


@pytest.mark.parametrize("command", [fit, probe, find_lr, lambda data, **how: backbones(data=data, **how)])
def test_a_device_that_is_not_here_is_refused_before_any_image_is_listed(
    command: Callable[..., object], digits: Path, home: Path
) -> None:
    heard = Recorder()
    with pytest.raises(UsageError, match=r"--device tpu: this machine has .*; allowed are auto, "):
        command(digits, device="tpu", listener=heard)
    assert (heard.tasks, heard.notices) == ([], [])


def test_a_run_lies_where_out_says_and_latest_names_it(fit_small: Callable[..., FitResult], home: Path) -> None:
    result = fit_small(out=Path("mine/first"))
    assert result.run == home / "mine" / "first"
    assert Path("runs/latest").resolve() == result.run
    again = fit_small(out=Path("runs/latest"), overwrite=True)
    assert again.run == result.run
    assert sorted(path.name for path in (home / "mine").iterdir()) == ["first"]
    assert [path.name for path in (home / "runs").iterdir()] == ["latest"]


def test_a_run_is_kept_where_latest_cannot_name_it(fit_small: Callable[..., FitResult], home: Path) -> None:
    (home / "runs").write_text("a file of the user's")
    heard = Recorder()
    result = fit_small(out=Path("mine"), listener=heard)
    assert (result.run / "metrics.json").exists()
    assert "--model" in heard.warnings[-1]


# --- what is said ---


def test_the_plan_is_shown_before_the_work_with_each_values_origin(fit_small: Callable[..., FitResult]) -> None:
    class Order(Recorder):
        def show_plan(self, *said: Any) -> None:
            super().show_plan(*said)
            self.before = list(self.tasks)

    order = Order()
    fit_small(listener=order)
    assert not any("frozen" in task or "stage" in task for task in order.before)
    title, rows, sentence = order.plans[0]
    assert title == "natural-small"
    assert ("image.size_px", "32", "option") in rows
    assert "57 images to train" in sentence
    assert order.plan_words[0]["images"] == "57 to train, 15 to validate"
    assert any(task.startswith("stage head") for task in order.tasks)


def test_the_result_says_what_the_prefix_did(fit_small: Callable[..., FitResult]) -> None:
    settings = ('image.profile="skin"', "training.views=2")  # views that no other test has
    first, second = (fit_small(*settings).prefix for _ in range(2))
    assert (first.engine, first.cached, first.views) == ("openvino", False, 2)
    assert (second.cached, second.views) == (True, 2)


def test_classes_that_are_grades_choose_the_epoch_by_kappa(digits: Path, home: Path) -> None:
    from sightx_cli.steps.options import Options
    from sightx_cli.steps.preparation import prepare

    for number, name in enumerate(("nought", "one", "two")):
        shutil.copytree(digits / name, home / "grades" / f"{number}_{name}")
    preparation = prepare(Options("grades", "medical-small", ordered=True), Silent())
    assert (preparation.task.kind, preparation.metric) == ("grades", "quadratic_kappa")
    assert preparation.plan.values["training.metric"].origin == "data"
    assert preparation.plan.values["data.task"] == PlanValue("grades", "option")
    own = prepare(Options("grades", "medical-small", ordered=True, settings=('training.metric="loss"',)), Silent())
    assert (own.metric, own.plan.values["training.metric"].origin) == ("loss", "option")


@pytest.mark.parametrize(
    ("setting", "said"),
    [("stage.0.train=last:9", "the network has 5 stages"), ("model.grey=sum", "not with one plain convolution")],
    ids=["stages", "grey"],
)
def test_what_the_network_cannot_do_is_said_before_its_missing_weights(
    setting: str, said: str, digits: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    backbone = "resnet18" if setting.startswith("stage") else "test_nfnet"
    with pytest.raises(ModelError, match=said):
        fit(digits, recipe="natural-small", backbone=backbone, settings=(setting,))


class RunOutOfMemory(Silent):
    """Lets memory run out after the second epoch of a stage."""

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        if row["epoch"] == 2:
            raise MemoryError


@pytest.mark.slow
def test_memory_that_runs_out_while_training_is_named_and_leaves_the_run_of_the_best_epoch(
    fit_small: Callable[..., FitResult], digits: Path
) -> None:
    result = fit_small("stage.0.epochs=3", listener=RunOutOfMemory())
    assert re.search(r"the memory of .* ran out while training; add --set training\.batch=\d+", result.stopped)
    assert result.interrupted
    right, total = count_right(result.run, digits, "valid", 16)
    assert right / total == result.metrics["accuracy"]
    assert fit(resume=result.run).stopped == ""

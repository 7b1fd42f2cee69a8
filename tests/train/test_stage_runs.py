"""Training stages: the optimizer has the rates promised, frozen is frozen, the best epoch is the one kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from torch import Tensor

from sightx_cli.errors import RecipeError, TrainingError
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View
from sightx_cli.model.parameter_groups import stage_rates
from sightx_cli.progress import Recorder
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.rates import read_rate
from sightx_cli.train.learners import building_learner
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import fit_stage, run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
LITE0 = "tf_efficientnet_lite0"
ONE_BATCH = "training.batch=64"  # all 57 images to train on


class Watch(Callback):
    """Remembers the rates of all groups, and the gradient of one parameter, at each step."""

    def __init__(self, parameter: Tensor | None = None) -> None:
        self.parameter = parameter
        self.rates: list[list[float]] = []
        self.gradient = torch.empty(0)

    def before_step(self) -> None:
        self.rates.append([float(hyper["lr"]) for hyper in self.learn.opt.hypers])
        if self.parameter is not None and self.parameter.grad is not None:
            self.gradient = self.parameter.grad.clone()


def make_stage(train: str | list[str], rate: object = 1e-3, epochs: int = 1) -> TrainingStage:
    return TrainingStage(train=train, epochs=epochs, rate=read_rate(rate))


def train_raw(
    session: Session, stage: TrainingStage, schedule: str = "flat", warmup: int = 0, watch: Sequence[Callback] = ()
) -> Any:
    """Train a stage without going back to the best epoch; gives the learner and its groups."""
    with building_learner(session, stage) as (learner, groups):
        fit_stage(learner, stage, groups, stage_rates(stage, groups), schedule, warmup, list(watch))
    return learner, groups


def copy_state(session: Session) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in session.model.state_dict().items()}


def find_changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}


def name_parameters(session: Session, stages: Sequence[str]) -> set[str]:
    """The names, in the model's state, of the parameters of these network stages and of the head's linear layer."""
    owned = {p for stage in session.backbone.stages if stage.name in stages for p in stage.parameters}
    return {f"0.network.{name}" for name in owned} | {"1.2.weight", "1.2.bias"}


@torch.no_grad()
def measure_whole(session: Session) -> dict[str, float | None]:
    """The figures of the whole model in float32 on the valid part's own pixels."""
    weights, view = session.weights, session.view
    plain = View(view.size_px, view.fit, None, 0, 0)
    files = zip(session.valid.paths, session.valid.digests, strict=True)
    pixels = torch.from_numpy(np.stack([plain.read(path, digest) for path, digest in files]))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    images = (pixels.permute(0, 3, 1, 2) / 255 - mean) / std
    probabilities = session.model.eval()(images).softmax(1).numpy()
    return session.task.measure_figures(probabilities, session.valid.targets)


# --- rates: what the recipe says is what the optimizer has ---

RESNET_STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "head")
LITE0_STAGES = ("stem", *(f"blocks.{number}" for number in range(7)), "head")
FROM_NAME = {
    "number": ("last:2", 1e-3, lambda deep: dict.fromkeys(deep[-3:], 1e-3)),
    "low and high": (
        "all",
        [1e-5, 1e-3],
        lambda deep: {name: 1e-5 * 100 ** (place / (len(deep) - 1)) for place, name in enumerate(deep)},
    ),
    "head and backbone": (
        "last:2",
        {"head": 5e-4, "backbone": 5e-5},
        lambda deep: {deep[-3]: 5e-5, deep[-2]: 5e-5, "head": 5e-4},
    ),
    "head and decay": (
        "all",
        {"head": 1e-3, "decay": 0.5},
        lambda deep: {name: 1e-3 * 0.5 ** (len(deep) - 1 - place) for place, name in enumerate(deep)},
    ),
}


@pytest.fixture(scope="module", params=["resnet18", LITE0])
def short_session(request: pytest.FixtureRequest, digits: Any) -> Session:
    """A real network on six images: any step will do."""
    from sightx_cli.progress import Silent
    from sightx_cli.steps.options import Options
    from sightx_cli.steps.preparation import prepare
    from sightx_cli.steps.session import build_session

    settings = ["image.size_px=32", 'stage=[{train="all",epochs=1,rate=1e-3}]']
    if request.param == "resnet18":
        settings.append('model.weights="scratch"')
    how = {"backbone": request.param, "cache": False, "engine": "torch"}
    asked = Options(str(digits), "natural-small", settings=settings, **how)
    session, _ = build_session(prepare(asked, Silent()), Silent())
    few = [0, 1, 20, 21, 40, 41]
    paths, digests = ([column[place] for place in few] for column in (session.train.paths, session.train.digests))
    session.train = session.valid = Sample(paths, digests, session.train.targets[few])
    return session


def read_rates(learner: Any, groups: Any) -> dict[str, float]:
    """The optimizer's rates by group, after a check that each of its groups holds the parameters that it should."""
    held = [{id(p) for p in parameters} for parameters in learner.opt.param_lists]
    assert held == [{id(p) for p in group.parameters} for group in groups]
    return {group.name: hyper["lr"] for group, hyper in zip(groups, learner.opt.hypers, strict=True)}


@pytest.mark.parametrize("form", FROM_NAME)
def test_the_optimizer_has_the_rates_that_the_recipe_promises(short_session: Session, form: str) -> None:
    names = RESNET_STAGES if len(short_session.backbone.stages) == 5 else LITE0_STAGES
    train, rate, promise = FROM_NAME[form]
    promised = promise(names)
    learner, groups = train_raw(short_session, make_stage(train, rate))
    assert read_rates(learner, groups) == pytest.approx({name: promised.get(name, 0.0) for name in names})


def test_rates_by_group_reach_their_groups(short_session: Session) -> None:
    names = RESNET_STAGES if len(short_session.backbone.stages) == 5 else LITE0_STAGES
    rate = {names[-3]: 1e-5, names[-2]: 1e-4, "head": 1e-3}
    learner, groups = train_raw(short_session, make_stage("last:2", rate))
    assert read_rates(learner, groups) == pytest.approx({name: rate.get(name, 0.0) for name in names})


def test_one_rate_serves_all_groups_that_share_the_first_part_of_their_names(open_session: Open) -> None:
    _, session = open_session('stage=[{train="last:2",epochs=1,rate=1e-3}]', backbone="test_efficientnet")
    learner, groups = train_raw(session, make_stage("last:2", {"blocks": 1e-4, "head": 1e-3}))
    assert set(read_rates(learner, groups).values()) == {1e-4, 1e-3}


@pytest.mark.slow
def test_one_cycle_peaks_in_every_group_at_its_promised_rate(open_session: Open) -> None:
    _, session = open_session("training.batch=2")
    watch = Watch()
    train_raw(session, make_stage("last:1", {"head": 1e-3, "backbone": 1e-4}, 2), "one-cycle", watch=[watch])
    assert np.max(watch.rates, axis=0)[-2:] == pytest.approx([1e-4, 1e-3], rel=0.01)
    assert watch.rates[0][-1] < 1e-4
    assert watch.rates[-1][-1] < 1e-5


def test_kept_and_recomputed_layers_train_at_the_same_rates(open_session: Open) -> None:
    stage = make_stage("last:1", {"head": 1e-3, "backbone": 1e-4})
    text = 'stage=[{train="last:1",epochs=1,rate=1e-3}]'
    kept, anew = (read_rates(*train_raw(open_session(text, cache=cache)[1], stage)) for cache in (True, False))
    assert set(kept) < set(anew)
    assert kept == {"layer4": 1e-4, "head": 1e-3}
    assert {name: rate for name, rate in anew.items() if rate} == kept


def test_a_rate_for_a_group_that_does_not_train_is_refused_before_anything_is_computed(open_session: Open) -> None:
    with pytest.raises(RecipeError, match="layer1"):
        open_session('stage=[{train="last:1",epochs=1,rate={layer1=1e-3,layer4=1e-3,head=1e-3}}]')


# --- frozen means frozen ---

TWO_STAGES = 'stage=[{train="head",epochs=1,rate=1e-2},{train="last:1",epochs=2,rate=1e-2}]'


@pytest.mark.parametrize("cache", [True, False], ids=["cached", "no cache"])
@pytest.mark.parametrize(("backbone", "last"), [(LITE0, "blocks.6"), ("test_resnet", "layer4")])
def test_frozen_layers_are_as_pretrained_to_the_bit_after_two_stages(
    open_session: Open, backbone: str, last: str, cache: bool
) -> None:
    preparation, session = open_session(TWO_STAGES, backbone=backbone, cache=cache)
    pretrained = copy_state(session)
    for stage in preparation.recipe.stage:
        train_raw(session, stage)
    # BatchNorm's statistics, buffers all, are among what must not change: those of the trained stage, too.
    assert find_changed(pretrained, session.model.state_dict()) == name_parameters(session, [last])


def test_a_head_stage_changes_nothing_but_the_head(open_session: Open) -> None:
    _, session = open_session()
    pretrained = copy_state(session)
    train_raw(session, make_stage("head", 1e-2))
    assert find_changed(pretrained, session.model.state_dict()) == {"1.2.weight", "1.2.bias"}


def test_a_stage_between_frozen_ones_can_train_alone(open_session: Open) -> None:
    _, session = open_session('stage=[{train=["layer2"],epochs=1,rate=1e-2}]')
    pretrained = copy_state(session)
    train_raw(session, make_stage(["layer2"], 1e-2))
    assert find_changed(pretrained, session.model.state_dict()) == name_parameters(session, ["layer2"])


def test_a_stage_that_trained_before_is_frozen_again_to_the_bit(open_session: Open) -> None:
    _, session = open_session('stage=[{train="last:2",epochs=1,rate=1e-2},{train="last:1",epochs=1,rate=1e-2}]')
    train_raw(session, make_stage("last:2", 1e-2))
    between = copy_state(session)
    train_raw(session, make_stage("last:1", 1e-2))
    assert find_changed(between, session.model.state_dict()) == name_parameters(session, ["layer4"])


def test_from_scratch_norms_learn_their_statistics(open_session: Open) -> None:
    _, session = open_session('model.weights="scratch"', 'stage=[{train="all",epochs=1,rate=1e-3}]', weights=None)
    before = copy_state(session)
    train_raw(session, make_stage("all"))
    moved = find_changed(before, session.model.state_dict())
    statistics = {name for name in before if name.endswith("running_mean")}
    assert statistics
    assert statistics <= moved


# --- what is kept stands for what is frozen ---


@pytest.mark.parametrize(
    ("stages", "taps"),
    [
        (["head"], "last"),
        (["last:1"], "last"),
        (["last:2", "head"], "last:2"),
        (["head", "last:1", "last:2"], "all"),
        (["last-blocks:3"], "last"),
        (["last:50%"], "all"),
        (["all", "last:1"], "last"),
    ],
    ids=lambda value: " then ".join(value) if isinstance(value, list) else f"taps {value}",
)
def test_what_a_stage_reports_is_what_the_whole_model_does(open_session: Open, stages: list[str], taps: str) -> None:
    text = ",".join(f'{{train="{train}",epochs=1,rate=1e-3}}' for train in stages)
    preparation, session = open_session(f"stage=[{text}]", f'model.head.taps="{taps}"')
    solve_head(session)
    for stage in preparation.recipe.stage:
        run_stage(session, stage)
    assert [row["stage"] for row in session.history if row["epoch"]] == stages
    assert measure_whole(session)["accuracy"] == session.best.figures["accuracy"]
    assert measure_whole(session)["loss"] == pytest.approx(session.best.figures["loss"], abs=0.02)


def test_the_head_starts_as_the_linear_probe_and_is_judged_before_training(open_session: Open) -> None:
    _, session = open_session()
    assert solve_head(session) is not None
    assert session.history[0]["stage"] == "solved head"
    assert measure_whole(session)["loss"] == pytest.approx(session.history[0]["valid_loss"], abs=0.02)


def test_a_head_with_hidden_layers_is_not_solved(open_session: Open) -> None:
    _, session = open_session("model.head.hidden=[8]")
    assert solve_head(session) is None
    assert session.history == []


def test_a_head_solved_on_some_of_the_images_is_said_to_be(open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Recorder()
    _, session = open_session("stage.0.epochs=1", listener=heard)
    images = len(session.train)
    monkeypatch.setattr("sightx_cli.train.solved_head.measure_most_images", lambda *_: 30)
    assert solve_head(session) is not None
    assert [said for said in heard.warnings if f"of {images} images, the same share of every class" in said]
    assert session.history[-1]["accuracy"] > 0.5


# --- one step of each optimizer, by its formula ---


def take_step(open_session: Open, *settings: str) -> tuple[Tensor, Tensor, Tensor]:
    """The head's weight before and after one step at rate 0.1, and its gradient."""
    _, session = open_session(ONE_BATCH, "model.head.dropout=0.0", *settings)
    weight = session.head[2].weight
    watch, before = Watch(weight), weight.detach().clone()
    train_raw(session, make_stage("head", 0.1), watch=[watch])
    return before, weight.detach().clone(), watch.gradient


def test_sgd_steps_along_the_gradient(open_session: Open) -> None:
    before, after, gradient = take_step(open_session, 'training.optimizer="sgd"', "training.weight_decay=0.0")
    torch.testing.assert_close(after, before - 0.1 * gradient)


def test_adamw_decays_the_weights_apart_from_the_gradient(open_session: Open) -> None:
    before, after, gradient = take_step(open_session, 'training.optimizer="adamw"', "training.weight_decay=0.5")
    expected = before * (1 - 0.1 * 0.5) - 0.1 * gradient / (gradient.abs() + 1e-5)
    torch.testing.assert_close(after, expected, rtol=1e-3, atol=1e-4)


def test_adam_decays_the_weights_within_the_gradient(open_session: Open) -> None:
    before, after, gradient = take_step(open_session, 'training.optimizer="adam"', "training.weight_decay=0.5")
    whole = gradient + 0.5 * before
    torch.testing.assert_close(after, before - 0.1 * whole / (whole.abs() + 1e-5), rtol=1e-3, atol=1e-4)


def test_clip_bounds_the_norm_of_the_gradient(open_session: Open) -> None:
    plain = ('training.optimizer="sgd"', "training.weight_decay=0.0")
    before, after, _ = take_step(open_session, *plain, "training.clip=0.001")
    free_before, free_after, _ = take_step(open_session, *plain)
    assert float((after - before).norm()) <= 0.1 * 0.001 * 1.001
    assert float((free_after - free_before).norm()) > 0.1 * 0.001 * 2


# --- schedules ---


def watch_schedule(open_session: Open, schedule: str, warmup: int = 0) -> list[float]:
    """The head's rate at each step of four epochs of eight batches, peak 1e-3."""
    _, session = open_session("training.batch=8")
    watch = Watch()
    train_raw(session, make_stage("head", 1e-3, 4), schedule, warmup, [watch])
    assert len(watch.rates) == 32
    return [rates[-1] for rates in watch.rates]


def test_flat_keeps_the_rate(open_session: Open) -> None:
    assert set(watch_schedule(open_session, "flat")) == {1e-3}


def test_cosine_falls_from_the_rate_to_nothing(open_session: Open) -> None:
    rates = watch_schedule(open_session, "cosine")
    assert rates[0] == 1e-3
    assert rates[16] == pytest.approx(0.5e-3)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-5


def test_cosine_warms_up_for_the_epochs_asked(open_session: Open) -> None:
    rates = watch_schedule(open_session, "cosine", warmup=1)
    assert rates[:9] == sorted(rates[:9])
    assert rates[0] == pytest.approx(1e-5)
    assert max(rates) == rates[8] == pytest.approx(1e-3)
    assert rates[8:] == sorted(rates[8:], reverse=True)


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing(open_session: Open) -> None:
    rates = watch_schedule(open_session, "one-cycle")
    peak = int(np.argmax(rates))
    assert 0 < peak < 16
    assert rates[peak] == pytest.approx(1e-3, rel=0.02)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


# --- the loss ---


def test_balanced_weights_are_inverse_to_the_class_counts(open_session: Open) -> None:
    _, session = open_session('training.class_weights="balanced"')
    session.train = Sample(session.train.paths[:10], session.train.digests[:10], np.array([0] * 6 + [1] * 3 + [2]))
    weights = session.class_weights()
    assert weights is not None
    assert weights.tolist() == pytest.approx([10 / (3 * 6), 10 / (3 * 3), 10 / 3])


def test_the_loss_has_the_class_weights_and_the_smoothing_of_the_recipe(open_session: Open) -> None:
    _, session = open_session('training.class_weights="balanced"', "training.label_smoothing=0.1")
    session.train = Sample(session.train.paths[:30], session.train.digests[:30], session.train.targets[:30])
    with building_learner(session, make_stage("head")) as (learner, _):
        logits, targets = torch.tensor([[4.0, 0.0, 0.0]]).repeat(3, 1), torch.tensor([0, 1, 2])
        expected = torch.nn.functional.cross_entropy(
            logits, targets, weight=session.class_weights(), label_smoothing=0.1
        )
        assert float(learner.loss_func(logits, targets)) == pytest.approx(float(expected))


def test_without_class_weights_every_image_counts_the_same(open_session: Open) -> None:
    assert open_session()[1].class_weights() is None


# --- best epoch, early stop, a loss that is not finite ---


def test_the_best_epoch_is_kept_and_not_the_last(open_session: Open) -> None:
    settings = ("stage.0.rate=3.0", "stage.0.epochs=8", 'training.schedule="flat"')  # too high: the loss swings
    preparation, session = open_session('training.metric="loss"', *settings)
    run_stage(session, preparation.recipe.stage[0])
    losses = [float(row["valid_loss"]) for row in session.history]
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1
    assert session.best.epoch == session.history[best]["epoch"]
    assert [row["epoch"] for row in session.history if row["best"]][-1] == session.best.epoch
    assert measure_whole(session)["loss"] == pytest.approx(losses[best], rel=0.02)


def test_the_best_of_an_earlier_stage_is_kept_over_a_worse_later_one(open_session: Open) -> None:
    stages = 'stage=[{train="head",epochs=1,rate=1e-4},{train="last:1",epochs=2,rate=1.0}]'
    preparation, session = open_session(stages, 'training.metric="loss"')
    pretrained = copy_state(session)
    solve_head(session)
    for stage in preparation.recipe.stage:
        run_stage(session, stage)
    assert session.best.stage in ("solved head", "head")
    assert all(name.startswith("1.") for name in find_changed(pretrained, session.model.state_dict()))


@pytest.mark.parametrize("patience", [1, 2])
def test_early_stop_ends_a_stage_after_so_many_epochs_without_gain(open_session: Open, patience: int) -> None:
    settings = ('training.metric="loss"', "stage.0.rate=5.0", "stage.0.epochs=20", f"training.early_stop={patience}")
    preparation, session = open_session(*settings, 'training.schedule="flat"')
    solve_head(session)
    run_stage(session, preparation.recipe.stage[0])
    assert len(session.history) == 1 + patience
    assert session.best.stage == "solved head"


def test_after_an_early_stop_the_next_stage_trains(open_session: Open) -> None:
    stages = 'stage=[{train="head",epochs=9,rate=5.0},{train="last:1",epochs=2,rate=1e-5}]'
    preparation, session = open_session(stages, 'training.metric="loss"', "training.early_stop=1")
    solve_head(session)
    for stage in preparation.recipe.stage:
        run_stage(session, stage)
    assert session.history[-1]["stage"] == "last:1"


@pytest.mark.parametrize("cache", [True, False], ids=["cached", "no cache"])
def test_a_loss_that_is_not_finite_stops_with_what_to_try(open_session: Open, cache: bool) -> None:
    preparation, session = open_session("stage.0.epochs=9", "training.batch=8", cache=cache)
    with pytest.raises(TrainingError) as caught:
        run_stage(session, preparation.recipe.stage[0], rate_factor=1e12)
    assert "finite" in caught.value.message
    assert "rate" in caught.value.hint


def test_a_batch_of_one_image_trains(open_session: Open) -> None:
    preparation, session = open_session("training.batch=56", 'stage=[{train="last:1",epochs=1,rate=1e-3}]')
    assert len(session.train) == 57
    run_stage(session, preparation.recipe.stage[0])
    assert np.isfinite(float(session.history[-1]["train_loss"]))

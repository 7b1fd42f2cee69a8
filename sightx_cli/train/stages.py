"""Run a recipe's training stages, one after the other, each from the best weights so far.

A stage whose first network stages are frozen trains an ordinary fastai `Learner` over the suffix, on kept prefix
outputs; a stage with nothing frozen, or without kept outputs, trains `vision_learner`'s whole network on images read
anew. Both train the same weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.schedule import ParamScheduler, combine_scheds
from fastai.callback.training import GradientClip
from fastai.learner import Learner
from fastai.optimizer import SGD, Adam
from fastai.torch_core import set_seed
from fastai.vision.learner import model_meta, vision_learner
from torch import Tensor, nn

from sightx_cli.embed.outputs import View
from sightx_cli.engine.torch_forward import choose_half
from sightx_cli.model.backbone import Backbone, Suffix
from sightx_cli.model.groups import Group, build_groups, find_cut
from sightx_cli.model.head import set_linear_solution
from sightx_cli.model.weights import Weights
from sightx_cli.plan.rates import resolve_rates
from sightx_cli.plan.recipe import Recipe, TrainingStage
from sightx_cli.probe.linear import solve_linear_head
from sightx_cli.progress import Listener
from sightx_cli.train.callbacks import (
    NORMS_TRAIN_FROM_IMAGES,
    Best,
    FiniteLoss,
    FrozenStaysFrozen,
    HalfPrecision,
    Judge,
    measure_with,
)
from sightx_cli.train.folding import folded_norms
from sightx_cli.train.loaders import Sample, build_image_loaders, build_kept_loaders
from sightx_cli.train.prefix import KeptPrefix

SOLVE_READINGS = 4000
"""The head is solved on as many views of the images as stay within so many rows."""


@dataclass
class Session:
    """All that the training stages of one fit share."""

    recipe: Recipe
    model: nn.Sequential
    weights: Weights
    train: Sample
    valid: Sample
    classes: tuple[str, ...]
    ordered: bool
    metric: str
    view: View
    device_name: str
    listener: Listener
    kept: KeptPrefix | None
    groups_of_train: Sequence[str] | None = None
    history: list[dict[str, float | int | str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    trained_from: int = 10**6
    """The earliest network stage that has been trained so far: kept outputs behind it no longer hold."""

    def __post_init__(self) -> None:
        self.best = Best(self.metric)
        self.device = torch.device(self.device_name)

    @property
    def backbone(self) -> Backbone:
        """The classifier's backbone."""
        backbone: Backbone = self.model[0]  # type: ignore[assignment]
        return backbone

    @property
    def head(self) -> nn.Sequential:
        """The classifier's head."""
        head: nn.Sequential = self.model[1]  # type: ignore[assignment]
        return head

    def norms_train(self) -> bool:
        """Tell whether BatchNorm's statistics move where its stage trains: with many images, or from scratch."""
        return len(self.train) >= NORMS_TRAIN_FROM_IMAGES or self.recipe.model.weights == "scratch"

    def class_weights(self) -> Tensor | None:
        """Return the loss's weight per class, n / (C · n_c) as scikit-learn's "balanced"; None for "none"."""
        if self.recipe.training.class_weights == "none":
            return None
        counts = np.bincount(self.train.targets, minlength=len(self.classes)).clip(min=1)
        return torch.tensor(counts.sum() / (len(self.classes) * counts), dtype=torch.float32, device=self.device)


class SuffixClassifier(nn.Module):
    """The trained rest of a classifier: suffix and head, on the kept map and taps."""

    def __init__(self, suffix: Suffix, head: nn.Module) -> None:
        super().__init__()
        self.suffix, self.head = suffix, head

    def forward(self, kept_map: Tensor, kept_taps: Tensor | None = None) -> Tensor:
        """Return logits (N, classes)."""
        taps = kept_map.new_zeros((len(kept_map), 0)) if kept_taps is None else kept_taps
        logits: Tensor = self.head(self.suffix(kept_map, taps))
        return logits


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and let torch use only what repeats: same seed, same machine, same numbers."""
    set_seed(seed, reproducible=True)


def solve_head(session: Session) -> float | None:
    """Start the head from the linear probe's solution on kept features; returns the penalty chosen.

    None where there are no kept features, or the head has hidden layers.
    """
    if session.kept is None or session.recipe.model.head.hidden:
        return None
    began = time.perf_counter()
    rows = np.arange(len(session.train))
    # Of few images every view helps the solution; of many the plain reading says as much, sooner.
    count = max(1, min(len(session.kept.train_views), SOLVE_READINGS // len(rows)))
    views = session.kept.train_views[:count]
    features = np.concatenate([view.take("features", rows).astype(np.float32) for view in views])
    groups = session.groups_of_train or session.train.digests
    solution = solve_linear_head(
        features,
        np.tile(session.train.targets, count),
        len(session.classes),
        session.recipe.training.class_weights == "balanced",
        list(groups) * count,
    )
    tensors = (solution.weight, solution.bias, solution.mean, solution.deviation)
    set_linear_solution(session.head, *(torch.from_numpy(part) for part in tensors))
    session.seconds["solve"] = time.perf_counter() - began
    judge_head(session, "solved head")
    return solution.strength


@torch.no_grad()
def judge_head(session: Session, stage: str) -> None:
    """Measure the head as it stands on the kept valid features, as epoch 0, and offer it as the best."""
    assert session.kept is not None
    began = time.perf_counter()
    rows = np.arange(len(session.valid))
    features = torch.from_numpy(session.kept.valid.take("features", rows).astype(np.float32))
    head = session.head.cpu().eval()
    probabilities = head(features).softmax(1).numpy()
    head.to(session.device)
    figures = measure_with(session.classes, session.ordered)(probabilities, session.valid.targets)
    session.best.offer(session.model, stage, 0, figures)
    row: dict[str, float | int | str] = {
        "stage": stage,
        "epoch": 0,
        "epochs": 0,
        "train_loss": float("nan"),
        "valid_loss": figures["loss"] or 0.0,
        **{key: value for key, value in figures.items() if key != "loss" and value is not None},
        "seconds": round(session.seconds.get("solve", 0.0) + time.perf_counter() - began, 3),
        "best": "yes",
    }
    session.history.append(row)
    session.listener.epoch({**row, "metric": session.metric})


def run_stage(session: Session, stage: TrainingStage, rate_factor: float = 1.0) -> None:
    """Train one stage of the recipe; the model ends with the best weights so far, over all stages.

    `rate_factor` scales the stage's rates (`--rate`). Raises TrainingError when the loss is no longer finite.
    """
    began = time.perf_counter()
    with building_learner(session, stage) as (learner, groups):
        rates = [rate_factor * rate for rate in stage_rates(stage, groups)]
        training = session.recipe.training
        judge = Judge(
            session.model,
            session.best,
            stage.title,
            stage.epochs,
            measure_with(session.classes, session.ordered),
            session.history,
            session.listener,
            training.early_stop,
        )
        try:
            fit_stage(learner, stage, rates, training.schedule, training.warmup_epochs, [judge])
        finally:
            session.listener.finish(judge.task)
            session.best.restore(session.model)
            session.seconds[f"stage {stage.title}"] = time.perf_counter() - began


def fit_stage(
    learner: Learner,
    stage: TrainingStage,
    rates: Sequence[float],
    schedule: str,
    warmup_epochs: int,
    callbacks: Sequence[Any],
) -> None:
    """Fit with a rate per group under the recipe's schedule: one-cycle, cosine (with warm-up), or flat."""
    with learner.no_bar(), learner.no_logging():
        if schedule == "one-cycle":
            learner.fit_one_cycle(stage.epochs, lr_max=np.array(rates), cbs=list(callbacks))
            return
        if schedule == "cosine":
            share = warmup_epochs / stage.epochs
            course = {"lr": _warm_cosine(np.array(rates), share)}
            learner.fit(stage.epochs, lr=np.array(rates), cbs=[ParamScheduler(course), *callbacks])
        else:
            learner.fit(stage.epochs, lr=np.array(rates), cbs=list(callbacks))


def _warm_cosine(rates: Any, warmup_share: float) -> Callable[[float], Any]:
    from fastai.callback.schedule import SchedCos, SchedLin

    if warmup_share == 0:
        return SchedCos(rates, rates * 0)  # type: ignore[no-any-return]
    parts = [SchedLin(rates * 0.01, rates), SchedCos(rates, rates * 0)]
    return combine_scheds([warmup_share, 1 - warmup_share], parts)  # type: ignore[no-any-return]


def stage_rates(stage: TrainingStage, groups: Sequence[Group]) -> list[float]:
    """Return the rate of each of the learner's groups, 0 where it is frozen."""
    rates = resolve_rates(stage.rate, [group.name for group in groups if group.trained])
    return [rates[group.name] if group.trained else 0.0 for group in groups]


@contextmanager
def building_learner(session: Session, stage: TrainingStage) -> Iterator[tuple[Learner, tuple[Group, ...]]]:
    """Build the stage's learner with one parameter group per stage of the network; frozen means frozen.

    Yields the learner and the groups that its optimizer has, in order.
    """
    groups = build_groups(session.backbone, session.head, stage.train)
    last = len(session.backbone.stages)
    cut = min(find_cut(session.backbone, groups), max(session.trained_from, 0))
    kept = session.kept
    if kept is not None:
        # The deepest kept boundary that lies before everything that trains or has been trained.
        usable = [kept_cut for kept_cut in kept.cuts if kept_cut <= cut]
        cut = max(usable, default=0)
    else:
        cut = 0
    session.trained_from = min(session.trained_from, find_cut(session.backbone, groups))
    with tempfile.TemporaryDirectory() as scratch:
        if kept is None or cut == 0:
            learner = _build_whole_learner(session, groups, Path(scratch))
            learner_groups = groups
        else:
            learner = _build_suffix_learner(session, groups, kept, cut, last, Path(scratch))
            learner_groups = tuple(group for group in groups if group.stage >= cut)
        learner.create_opt()
        first_trained = next(i for i, group in enumerate(learner_groups) if group.trained)
        learner.freeze_to(first_trained)
        for group in groups:
            for parameter in group.parameters:
                parameter.requires_grad_(group.trained)
        try:
            with folding(session, learner, kept if cut else None, cut):
                yield learner, learner_groups
        finally:
            for callback in learner.cbs:
                if isinstance(callback, HalfPrecision):
                    callback.leave()
            for parameter in session.model.parameters():
                parameter.requires_grad_(False)


@contextmanager
def folding(session: Session, learner: Learner, kept: KeptPrefix | None, cut: int) -> Iterator[None]:
    """Fold norms into convolutions while they keep their statistics; `kept` and `cut` are what a suffix reads."""
    if session.norms_train():
        yield
        return
    size_px = session.view.size_px
    inputs = [torch.rand(2, 3, size_px, size_px)]
    if kept is not None:
        names = kept.names_at(cut, len(session.backbone.stages))
        rows = np.arange(min(2, len(session.valid)))
        inputs = [torch.from_numpy(kept.valid.take(name, rows).astype(np.float32)) for name in names]
    learner.model.eval()
    with folded_norms(learner.model, lambda: learner.model(*(one.to(session.device) for one in inputs))):
        yield


def _build_suffix_learner(
    session: Session, groups: Sequence[Group], kept: KeptPrefix, cut: int, last: int, scratch: Path
) -> Learner:
    loaders = build_kept_loaders(
        (kept.train_views, session.train.targets),
        (kept.valid, session.valid.targets),
        kept.names_at(cut, last),
        session.recipe.training.batch,
        session.device,
    )
    model = session.head if cut == last else SuffixClassifier(Suffix(session.backbone, cut), session.head)
    mine = [list(group.parameters) for group in groups if group.stage >= cut]
    return Learner(
        loaders,
        model.to(session.device).to(memory_format=torch.channels_last),
        splitter=lambda _: mine,
        **_learner_options(session, groups, scratch),
    )


def _build_whole_learner(session: Session, groups: Sequence[Group], scratch: Path) -> Learner:
    loaders = build_image_loaders(
        session.train,
        session.valid,
        session.view,
        session.classes,
        (session.weights.mean, session.weights.std),
        session.recipe.training.batch,
        session.device,
    )
    mine = [list(group.parameters) for group in groups]

    def build_body(pretrained: bool) -> nn.Module:  # noqa: ARG001 (fastai passes it; the weights are loaded)
        return session.backbone

    head_weights = {name: tensor.clone() for name, tensor in session.head.state_dict().items()}
    # vision_learner takes a function that builds the body; how to cut it and split it, it looks up in this table.
    model_meta[build_body] = {"cut": lambda body: body, "split": lambda _: mine}
    try:
        learner = vision_learner(
            loaders, build_body, custom_head=session.head, normalize=False, **_learner_options(session, groups, scratch)
        )
    finally:
        del model_meta[build_body]
    session.head.load_state_dict(head_weights)  # vision_learner initialises every head afresh, a solved one too
    learner.model.to(session.device).to(memory_format=torch.channels_last)
    return learner


def _learner_options(session: Session, groups: Sequence[Group], scratch: Path) -> dict[str, Any]:
    """Return what both learners share: loss, optimizer, decay, and the callbacks that keep frozen frozen."""
    training = session.recipe.training
    loss = nn.CrossEntropyLoss(weight=session.class_weights(), label_smoothing=training.label_smoothing)
    optimizers = {
        "adamw": Adam,
        "adam": partial(Adam, decouple_wd=False),
        "sgd": SGD,
    }
    trained = [parameter for group in groups if group.trained for parameter in group.parameters]
    callbacks: list[Any] = [FrozenStaysFrozen(session.backbone, trained, session.norms_train()), FiniteLoss()]
    if training.clip is not None:
        callbacks.append(GradientClip(training.clip))
    half = choose_half(session.device)
    if half is not None:
        callbacks.append(HalfPrecision(session.device.type, half))
    return {
        "loss_func": loss,
        "opt_func": optimizers[training.optimizer],
        "wd": training.weight_decay,
        "train_bn": False,
        "cbs": callbacks,
        "path": scratch,
    }

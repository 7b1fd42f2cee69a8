"""The probe at work: one change of the recipe at a time, measured on the train part within a budget of seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import ModelError
from sightx_cli.metrics.registry import LOSS
from sightx_cli.probe.evidence import describe_evidence, describe_value
from sightx_cli.probe.folds import CrossValidation
from sightx_cli.probe.trials import (
    BUDGET_SHARE,
    BUILD_SECONDS,
    MIN_BUDGET_SECONDS,
    OWN_MARGIN,
    PROBE_IMAGES,
    choose_probe_metric,
    choose_simplest,
    choose_weights_metric,
    compare_losses,
    doubt_comparison,
    estimate_forward_seconds,
    estimate_head_seconds,
    join_features,
    list_sizes,
    list_taps,
    measure_head,
    measure_weighed_losses,
    select_taps,
)
from sightx_cli.progress import Listener
from sightx_cli.recipe.rates import HEAD
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import BACKBONE, FIT, SIZE, TAPS, WEIGHTS, change_setting, read_setting
from sightx_cli.recipe.values import BESIDE
from sightx_cli.results.probe import ProbedChoices, Trial
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.train_part import sample_train
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    from sightx_cli.features.plain import PlainFeatures

IMBALANCED = 1.5
"""If the ratio of class sizes is below this, class weights have nothing to do."""

BACKBONES = ("tf_efficientnet_lite0", "tf_efficientnet_lite2")
"""Networks that are tried, and both side by side where the head alone learns; tuning one brings more (X-rays: log loss
0.038, not 0.062). `tf_efficientnet_lite1`, between them, was never the best on five sets."""

PHOTOGRAPHS = "similar"
"""Of images with this shift the table's own network stays: it was the best by more than two errors on 243 ants and bees
and on 2,000 small photographs of ten classes, and a second beside it, which doubles the time of predictions, brought
nothing there (log loss 0.080 and 0.081) or less than tuning does (accuracy 0.783 → 0.795, and 0.75 → 0.86)."""

BACKBONE_MARGIN = 1.0
"""How many standard errors behind in log loss the table's own network may be: the sets that it was chosen on are no
evidence for images of another kind."""

TRAINING_IMAGES_PER_SECOND = {"head": 5_000.0, "last": 300.0, "all": 50.0}
"""Assumed of an epoch at 224 px: the head alone, the last stages on cached features, every layer."""


@dataclass
class Probe:
    """The images that the probe looks at, all of the train part, and what it has measured of them so far."""

    paths: list[str]
    digests: list[str]
    targets: NDArray[np.int64]
    together: list[str]
    fold_of: NDArray[np.int64]
    task: Task
    seed: int
    budget_seconds: float
    train_images: int
    trials: list[Trial] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    spent_seconds: float = 0.0
    seconds: float = 0.0
    metric: str = ""

    @property
    def left_seconds(self) -> float:
        """What is left of the budget."""
        return self.budget_seconds - self.spent_seconds

    def spend(self, assumed: float, measured: float) -> None:
        """Charge what a trial took, at least what was assumed.

        So a fast machine, or one that finds features cached, makes the same trials as any other: same data, same
        choice.
        """
        self.spent_seconds += max(assumed, measured)

    def measure(self, features: NDArray[np.float32], balanced: bool) -> CrossValidation:
        """Cross-validate a quick head on features (N, F)."""
        return measure_head(features, self.targets, self.fold_of, self.task, balanced, self.together)

    def conclude(self) -> ProbedChoices:
        """Return what was measured and chosen."""
        return ProbedChoices(
            self.metric,
            len(self.paths),
            tuple(self.trials),
            dict(self.chosen),
            tuple(self.evidence.values()),
            tuple(self.skipped),
            self.budget_seconds,
            self.seconds,
        )


def open_probe(preparation: Preparation, budget_seconds: float | None) -> Probe | None:
    """Take the images to look at from the train part; None where its classes are too small to be divided."""
    rows, task, seed = preparation.part("train"), preparation.task, preparation.options.seed
    sample = sample_train(rows, task, PROBE_IMAGES, seed)
    if sample is None:
        return None
    budget = choose_budget(preparation.recipe, len(rows)) if budget_seconds is None else budget_seconds
    return Probe(
        sample.paths, sample.digests, sample.targets, sample.together, sample.fold_of, task, seed, budget, len(rows)
    )


def choose_budget(recipe: Recipe, images: int) -> float:
    """Return the default budget: three tenths of what the fit will take, at least ten seconds."""
    return max(MIN_BUDGET_SECONDS, BUDGET_SHARE * estimate_fit_seconds(recipe, images))


def estimate_fit_seconds(recipe: Recipe, images: int) -> float:
    """Estimate what a fit takes on a machine as assumed: the same for the same data."""
    area = (recipe.image.size_px / 224) ** 2
    seconds = estimate_forward_seconds(images * recipe.training.views, recipe.image.size_px, recipe.model.backbone)
    for stage in recipe.stage:
        kind = {"head": "head", "all": "all", "scratch": "all"}.get(str(stage.train), "last")
        speed = TRAINING_IMAGES_PER_SECOND[kind] / (1.0 if kind == "head" else area)
        seconds += images * stage.epochs / speed
    return seconds


class Chooser:
    """Moves from the table's recipe to the one that measures best, one setting after another."""

    def __init__(self, probe: Probe, preparation: Preparation, listener: Listener) -> None:
        self.probe, self.options, self.listener = probe, preparation.options, listener
        self.store, self.pixels = preparation.store, preparation.pixels
        self.recipe, self.reading = preparation.recipe, preparation.reading
        self.named = {key for key, value in preparation.plan.values.items() if value.origin == "option"}
        self.named |= {SIZE} if preparation.plan.values[SIZE].origin == "data" else set()
        self.named |= {BACKBONE} if self.options.backbone is not None else set()  # with auto, it has been measured
        self.imbalance = preparation.fingerprint.imbalance_ratio
        print_ = preparation.fingerprint
        self.short_side_px = min(print_.width_px.median, print_.height_px.median)
        self.square = print_.width_px == print_.height_px and print_.width_px.min == print_.width_px.max
        self.features = self._extract(self.recipe)
        self.first_view_seconds = self.features.seconds

    def run(self, metric: str) -> Recipe:
        """Measure the recipe as it is, then each change that the budget allows; return the recipe chosen.

        The recipe's own view is not charged to the budget: without it there is no probe, and most of it serves the fit.
        """
        began = time.perf_counter()
        probe, recipe = self.probe, self.recipe
        start = self._measure(recipe, self.features)
        probe.metric = choose_probe_metric(metric, start.figures.metrics)
        stages = len(self.features.widths)
        if stages > 1 and recipe.model.head.pool == "avg":
            self._compare(TAPS, list_taps(recipe.model.head.taps, stages))
        if self.imbalance >= IMBALANCED:
            own = recipe.training.class_weights
            metric = choose_weights_metric(probe.metric, probe.task)
            self._compare(WEIGHTS, [own, "none" if own == "balanced" else "balanced"], metric)
        self._compare(SIZE, list_sizes(recipe.image.size_px, self.short_side_px, probe.train_images))
        is_open = self.options.weights is None and recipe.model.backbone in BACKBONES
        if is_open and recipe.when.shift != PHOTOGRAPHS:
            # By log loss: an accuracy or kappa that is a few images higher is no reason to predict in twice the time.
            beside = [BESIDE.join(BACKBONES)] if all(stage.train == HEAD for stage in recipe.stage) else []
            self._compare(BACKBONE, [*BACKBONES, *beside], LOSS.name, BACKBONE_MARGIN)
        if not self.square:
            fits = [recipe.image.fit, *(fit for fit in ("squash", "pad", "crop") if fit != recipe.image.fit)]
            self._compare(FIT, fits)
        probe.seconds = time.perf_counter() - began + self.first_view_seconds
        return self.recipe

    def _compare(self, key: str, values: Sequence[Any], metric: str = "", margin: float = OWN_MARGIN) -> None:
        """Measure the values of one setting, simplest first, and take the simplest within one standard error."""
        probe, metric = self.probe, metric or self.probe.metric
        own = read_setting(self.recipe, key)
        if key in self.named or len(values) < 2:
            return
        if why := doubt_comparison(probe.task, probe.targets):
            probe.skipped.append(f"{key.rpartition('.')[2].replace('_', ' ')}: {why}")
            return
        trials: list[Trial] = []
        losses: dict[str, NDArray[np.float64]] = {}
        extracted: dict[Any, PlainFeatures] = {}
        for value in sorted(values, key=lambda one: one != own):  # the current one first: it costs least
            changed = change_setting(self.recipe, key, value)
            parts = str(value).split(BESIDE) if key == BACKBONE else []
            if len(parts) > 1 and not all(part in extracted for part in parts):
                probe.skipped.append(f"{describe_value(key, value)}: not all of them were tried")
                continue
            again = key in (SIZE, FIT, BACKBONE) and value != own and len(parts) < 2
            forward = self._estimate_view(changed, key != FIT) if again else 0.0
            width = select_taps(self.features.rows[:1], self.features.widths, changed.model.head.taps)
            heads = estimate_head_seconds(len(probe.paths), width.shape[1], probe.task.outputs)
            # What needs no other view is almost free: it is tried even if the first view used up the budget.
            room = probe.left_seconds if forward else probe.budget_seconds
            if value != own and forward + heads > room:
                left = f"{max(0.0, room):.0f} s are left (--budget)"
                probe.skipped.append(f"{describe_value(key, value)}: would take {forward + heads:.0f} s, {left}")
                continue
            clock = time.perf_counter()
            try:
                features = self._extract(changed) if again else self.features
            except ModelError as error:  # not every network takes every size
                probe.skipped.append(error.message)
                continue
            if len(parts) > 1:
                features = join_plain_features([extracted[part] for part in parts])
            extracted[value] = features
            found = self._measure(changed, features)
            taken = time.perf_counter() - clock
            probe.spend(forward + heads, taken)
            mean = found.figures.metrics[metric]
            if mean is not None:
                trials.append(Trial(key, str(value), metric, mean, found.figures.errors[metric], round(taken, 3)))
                losses[str(value)] = measure_weighed_losses(probe.task, found.probabilities, probe.targets)
        if len(trials) < 2:
            return
        names = [str(value) for value in values]
        trials = sorted(trials, key=lambda trial: names.index(trial.value))
        if key != WEIGHTS:  # weights change the log loss by design
            trials = compare_losses(trials, [losses[trial.value] for trial in trials], probe.together)
        trials = choose_simplest(trials, str(own), margin)
        probe.trials += trials
        taken_trial = next(trial for trial in trials if trial.chosen)
        value = next(value for value in values if str(value) == taken_trial.value)
        probe.evidence[key] = describe_evidence(key, trials, str(own))
        if value != own:
            self.recipe = change_setting(self.recipe, key, value)
            self.features = extracted[value]
            probe.chosen[key] = value

    def _estimate_view(self, recipe: Recipe, is_new: bool) -> float:
        """Estimate the seconds of the plain view of the probe's images, where `is_new` by a network yet to be built."""
        seconds = estimate_forward_seconds(len(self.probe.paths), recipe.image.size_px, recipe.model.backbone)
        return seconds + BUILD_SECONDS * is_new

    def _measure(self, recipe: Recipe, features: PlainFeatures) -> CrossValidation:
        columns = select_taps(features.rows, features.widths, recipe.model.head.taps)
        return self.probe.measure(columns, recipe.training.class_weights == "balanced")

    def _extract(self, recipe: Recipe) -> PlainFeatures:
        from sightx_cli.features.plain import extract_plain_features

        asked = change_setting(recipe, TAPS, "all") if recipe.model.head.pool == "avg" else recipe
        task = f"probe: {recipe.image.size_px} px, {recipe.image.fit}, {recipe.model.backbone}"
        assert self.store is not None, "fit and probe need a store: with --no-cache there is no probe"
        return extract_plain_features(
            asked,
            self.options.weights_file(),
            self.probe.paths,
            self.probe.digests,
            self.store,
            self.listener,
            task,
            self.options.device,
            self.options.engine,
            pixels=self.pixels,
            reading=self.reading,
        )


def join_plain_features(parts: Sequence[PlainFeatures]) -> PlainFeatures:
    """Join the features of networks as those of one with all of them side by side."""
    rows, widths = join_features([(part.rows, part.widths) for part in parts])
    return replace(parts[0], rows=rows, widths=tuple(widths), seconds=0.0)


def apply_probe(preparation: Preparation, probe: Probe, recipe: Recipe) -> Preparation:
    """Put what the probe chose into the recipe and the plan, each value with its evidence."""
    values = dict(preparation.plan.values)
    for key, line in probe.evidence.items():
        value, changed = values[key], key in probe.chosen
        values[key] = replace(
            value, value=probe.chosen.get(key, value.value), origin="probe" if changed else value.origin, evidence=line
        )
    plan = replace(preparation.plan, recipe=recipe, values=values)
    return replace(preparation, recipe=recipe, plan=plan, probed=probe.conclude())

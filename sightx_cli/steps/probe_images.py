"""What a probe looks at and within which time: images of the train part, and what was measured of them so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.probe.first_look import count_first
from sightx_cli.probe.folds import CrossValidation
from sightx_cli.probe.trials import (
    BUDGET_SHARE,
    MIN_BUDGET_SECONDS,
    PROBE_IMAGES,
    estimate_forward_seconds,
    measure_head,
)
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.results.probe import ProbedChoices, Trial
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.train_part import TrainSample, sample_train
from sightx_cli.task.task import Task

TRAINING_IMAGES_PER_SECOND = {"head": 5_000.0, "last": 300.0, "all": 50.0}
"""Assumed of an epoch at 224 px: the head alone, the last stages on cached features, every layer."""


@dataclass
class Probe:
    """The images that the probe looks at, all of the train part, and what it has measured of them so far."""

    sample: TrainSample
    task: Task
    budget_seconds: float
    train_images: int
    trials: list[Trial] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    first: TrainSample | None = None
    """Some of the images, which a value that needs a forward of its own is measured on first; None without this."""
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
        sample = self.sample
        return measure_head(features, sample.targets, sample.fold_of, self.task, balanced, sample.together)

    def conclude(self) -> ProbedChoices:
        """Return what was measured and chosen."""
        return ProbedChoices(
            self.metric,
            len(self.sample),
            tuple(self.trials),
            dict(self.chosen),
            tuple(self.evidence.values()),
            tuple(self.skipped),
            tuple(self.dropped),
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
    count = count_first(len(sample))
    first = sample_train(rows, task, count, seed) if count else None
    first = first if first is not None and first.is_within(sample) else None
    return Probe(sample, task, budget, len(rows), first=first)


def choose_budget(recipe: Recipe, images: int) -> float:
    """Return the default budget: a fifth of what the fit will take, at least ten seconds."""
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

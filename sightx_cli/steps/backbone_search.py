"""Which network reads the user's images best: each at hand with a cross-validated linear head, on the train part."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import SightXError
from sightx_cli.probe.tournament import Attempt, Tournament, halve, plan_rounds
from sightx_cli.probe.trials import (
    PROBE_IMAGES,
    choose_probe_metric,
    estimate_forward_seconds,
    estimate_head_seconds,
    measure_head,
    measure_weighed_losses,
    select_taps,
)
from sightx_cli.progress import Listener, Notice, reporting
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import BACKBONE, SIZE, TAPS, change_setting
from sightx_cli.results.backbones import NetworkCandidate
from sightx_cli.results.probe import Trial
from sightx_cli.steps.duration import MACS
from sightx_cli.steps.networks import NamedWeights
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.train_part import TrainSample, sample_train

if TYPE_CHECKING:
    from sightx_cli.model.weights_at_hand import WeightsPlace

OPENING_SECONDS = 2.0
"""Assumed of building, converting and compiling a network that was not opened yet: 1 to 2 s were measured of lite0."""

SUITING = "looking at the networks at hand"
"""The task as the user sees it."""


@dataclass(frozen=True)
class Contender:
    """A network in the place of the recipe's, at the size that it would be trained at."""

    name: str
    recipe: Recipe
    macs: int
    """The multiply-adds of one image."""
    features: int

    @property
    def size_px(self) -> int:
        """At how many pixels it reads an image."""
        return self.recipe.image.size_px


class BackboneSearch:
    """The networks at hand on the images of the train part, measured when asked for.

    A network reads the images at the recipe's size, or at the larger one that it was made for; where the user set a
    size, all read them at that one. Candidates that do not suit the recipe are left out, with a notice. One of them may
    have weights that the user `named`.
    """

    def __init__(
        self,
        preparation: Preparation,
        candidates: Sequence[NetworkCandidate],
        listener: Listener,
        named: NamedWeights | None = None,
    ) -> None:
        self.preparation, self.listener, self.named = preparation, listener, named
        self.options, self.recipe = preparation.options, preparation.recipe
        self.rows, self.task = preparation.part("train"), preparation.task
        self.metric = ""
        self._samples: dict[int, TrainSample | None] = {}
        self.losses: dict[str, float] = {}
        """The mean log loss of each network on the most images that it was measured on."""
        with reporting(listener, SUITING):
            found = [self._suit(one) for one in self._complete(candidates)]
        self.contenders = {one.name: one for one in sorted((one for one in found if one), key=lambda one: one.macs)}
        self.own = self._find_own()

    def run(self, rounds: Sequence[int], budget_seconds: float) -> Tournament:
        """Measure the networks on samples of so many images, within so many seconds."""
        return halve(list(self.contenders), self.own, rounds, self.measure, self.estimate, budget_seconds)

    def plan_rounds(self) -> tuple[int, ...]:
        """Return the sizes of the samples: a small one first where its classes can be divided, then all."""
        whole = self.sample(PROBE_IMAGES)
        assert whole is not None
        rounds = plan_rounds(len(whole))
        return rounds if self.sample(rounds[0]) is not None else rounds[-1:]

    def sample(self, images: int) -> TrainSample | None:
        """Take so many images of the train part, in folds; None where its classes are too small to be divided."""
        if images not in self._samples:
            self._samples[images] = sample_train(self.rows, self.task, images, self.options.seed)
        return self._samples[images]

    def estimate(self, name: str, images: int, seen: int) -> float:
        """Estimate the seconds of a network on so many images, of which so many are known: the same on any machine."""
        one = self.contenders[name]
        forward = estimate_forward_seconds(images - seen, 224) * one.macs / MACS
        heads = estimate_head_seconds(images, one.features, self.task.outputs)
        return forward + heads + (0.0 if seen else OPENING_SECONDS)

    def measure(self, name: str, images: int) -> Attempt | None:
        """Cross-validate a head on a network's features; None, with a notice, where its weights cannot be used."""
        began, sample = time.perf_counter(), self.sample(images)
        assert sample is not None
        recipe = self.contenders[name].recipe
        try:
            rows = self._extract(name, recipe, sample)
        except SightXError as error:
            if name == self.own:
                raise
            self.listener.notice(Notice("network-unusable", f"{name} is left out: {error.message}", 1, warns=True))
            return None
        balanced = recipe.training.class_weights == "balanced"
        found = measure_head(rows, sample.targets, sample.fold_of, self.task, balanced, sample.together)
        self.metric = self.metric or choose_probe_metric(self.preparation.metric, found.figures.metrics)
        mean = found.figures.metrics[self.metric]
        if mean is None:
            return None
        losses = measure_weighed_losses(self.task, found.probabilities, sample.targets)
        self.losses[name] = float(losses.mean())
        seconds = round(time.perf_counter() - began, 3)
        trial = Trial(BACKBONE, name, self.metric, mean, found.figures.errors[self.metric], seconds)
        return Attempt(trial, losses, sample.together)

    def find_named(self, name: str) -> NamedWeights | None:
        """Return the user's weights if a candidate of this name has them."""
        return self.named if self.named is not None and self.named.name == name else None

    def _extract(self, name: str, recipe: Recipe, sample: TrainSample) -> NDArray[np.float32]:
        from sightx_cli.features.plain import extract_plain_features

        asked = change_setting(recipe, TAPS, "all") if recipe.model.head.pool == "avg" else recipe
        named = self.find_named(name)
        features = extract_plain_features(
            asked,
            named.file if named else None,
            sample.paths,
            sample.digests,
            self.preparation.store,
            self.listener,
            f"{name} at {recipe.image.size_px} px, {len(sample):,} images",
            self.options.device,
            self.options.engine,
            pixels=self.preparation.pixels,
            reading=self.preparation.reading,
        )
        return select_taps(features.rows, features.widths, recipe.model.head.taps)

    def _complete(self, candidates: Sequence[NetworkCandidate]) -> list[NetworkCandidate]:
        """Have the recipe's network among the candidates under the name that the recipe gives it, if it is at hand."""
        from sightx_cli.model.weights_at_hand import locate_weights

        name = self.recipe.model.backbone
        place = locate_weights(name)
        if not place.is_at_hand or any(one.name == name for one in candidates):
            return list(candidates)
        return [replace(one, name=name) if self._is_same(one, place) else one for one in candidates]

    def _is_same(self, one: NetworkCandidate, place: WeightsPlace) -> bool:
        return (one.weights, one.source) == (place.kind, place.source)

    def _suit(self, candidate: NetworkCandidate) -> Contender | None:
        """Put a network into the recipe; None, with a notice, where the recipe names parts that it lacks."""
        from sightx_cli.model.classifier import build_untrained
        from sightx_cli.model.cost import measure_cost
        from sightx_cli.model.parameter_groups import find_cuts

        size_px, is_set = self.recipe.image.size_px, self.preparation.plan.values[SIZE].origin == "option"
        size_px = size_px if is_set else max(size_px, candidate.size_px)
        named = self.find_named(candidate.name)
        backbone = named.backbone if named else candidate.name
        recipe = change_setting(change_setting(self.recipe, BACKBONE, backbone), SIZE, size_px)
        try:
            model = build_untrained(recipe, 2, shapes_only=True)
            find_cuts(model[0], model[1], recipe)  # type: ignore[arg-type]
        except SightXError as error:
            text = f"{candidate.name} does not suit {self.recipe.name} and is left out: {error.message}"
            self.listener.notice(Notice("network-unsuited", text, count=1))
            return None
        cost = measure_cost(model, size_px)
        return Contender(candidate.name, recipe, cost.macs, cost.features)

    def _find_own(self) -> str:
        """Return the recipe's network, which the others are held against; the cheapest, said, if it is not at hand."""
        own = self.recipe.model.backbone
        if own in self.contenders or not self.contenders:
            return own
        cheapest = next(iter(self.contenders))
        text = f"{own}, the recipe's network, is not at hand: the others are held against {cheapest}, the cheapest"
        self.listener.notice(Notice("network-missing", text))
        return cheapest

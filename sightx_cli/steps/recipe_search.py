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
from sightx_cli.probe.first_look import FirstLook
from sightx_cli.probe.folds import CrossValidation
from sightx_cli.probe.trials import (
    BUILD_SECONDS,
    OWN_MARGIN,
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
    measure_gap,
    measure_head,
    measure_weighed_losses,
    select_taps,
)
from sightx_cli.progress import Listener
from sightx_cli.recipe.rates import HEAD
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import BACKBONE, FIT, SIZE, TAPS, WEIGHTS, change_setting, read_setting
from sightx_cli.recipe.values import BESIDE
from sightx_cli.results.probe import Trial
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.probe_images import Probe
from sightx_cli.steps.train_part import TrainSample
from sightx_cli.task.stratification import number_together

if TYPE_CHECKING:
    from sightx_cli.features.plain import FrozenNetwork, PlainFeatures

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


VIEWS = (SIZE, FIT, BACKBONE)
"""Settings whose every value needs a forward of its own."""


@dataclass
class Comparison:
    """The values of one setting, simplest first, and what was measured of them so far, by the value as text."""

    key: str
    values: Sequence[Any]
    own: Any
    metric: str
    trials: list[Trial] = field(default_factory=list)
    losses: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    extracted: dict[str, PlainFeatures] = field(default_factory=dict)
    networks: dict[str, FrozenNetwork | None] = field(default_factory=dict)
    """What gave these features; None where that is several networks side by side."""
    dropped: list[str] = field(default_factory=list)

    @property
    def is_joined(self) -> bool:
        """Whether networks are tried side by side, for which each is needed whole."""
        return any(is_joined(self.key, value) for value in self.values)


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
        self.network: FrozenNetwork | None = self._open(self.recipe)
        self.features = self._extract(self.recipe, self.network)
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
        if why := doubt_comparison(probe.task, probe.sample.targets):
            probe.skipped.append(f"{key.rpartition('.')[2].replace('_', ' ')}: {why}")
            return
        comparison = Comparison(key, values, own, metric)
        for value in sorted(values, key=lambda one: one != own):  # the current one first: it costs least
            self._try(comparison, value)
        if len(comparison.trials) >= 2:
            self._choose(comparison, margin)
        elif comparison.dropped:
            probe.evidence[key] = "; ".join(comparison.dropped)
        probe.dropped += comparison.dropped

    def _try(self, comparison: Comparison, value: Any) -> None:
        """Measure one value: not what the budget has no room for, nor further than its first look where that tells."""
        probe, key, own = self.probe, comparison.key, comparison.own
        said, changed, parts = describe_value(key, value), change_setting(self.recipe, key, value), []
        if is_joined(key, value):
            parts = [comparison.extracted.get(part) for part in str(value).split(BESIDE)]
            if None in parts:
                probe.skipped.append(f"{said}: not all of them were tried")
                return
        again = key in VIEWS and value != own and not parts
        forward = self._estimate_view(changed, key != FIT) if again else 0.0
        width = select_taps(self.features.rows[:1], self.features.widths, changed.model.head.taps)
        heads = estimate_head_seconds(len(probe.sample), width.shape[1], probe.task.outputs)
        # What needs no other view is almost free: it is tried even if the first view used up the budget.
        room = probe.left_seconds if forward else probe.budget_seconds
        if value != own and forward + heads > room:
            left = f"{max(0.0, room):.0f} s are left (--budget)"
            probe.skipped.append(f"{said}: would take {forward + heads:.0f} s, {left}")
            return
        clock = time.perf_counter()
        try:
            network = self._open_changed(key, changed) if again else self.network
            look = self._look_first(changed, network) if again and network and not comparison.is_joined else None
            if look is not None and not look.goes_on:
                probe.spend(forward * look.images / len(probe.sample), time.perf_counter() - clock)
                comparison.dropped.append(look.describe(said, describe_value(key, own)))
                return
            features = self._extract(changed, network) if again else self.features
        except ModelError as error:  # not every network takes every size
            probe.skipped.append(error.message)
            return
        if parts:
            network, features = None, join_plain_features([part for part in parts if part is not None])
        found = self._measure(changed, features)
        taken = time.perf_counter() - clock
        probe.spend(forward + heads, taken)
        comparison.extracted[str(value)], comparison.networks[str(value)] = features, network
        mean = found.figures.metrics[comparison.metric]
        if mean is not None:
            spread = found.figures.errors[comparison.metric]
            comparison.trials.append(Trial(key, str(value), comparison.metric, mean, spread, round(taken, 3)))
            comparison.losses[str(value)] = measure_weighed_losses(
                probe.task, found.probabilities, probe.sample.targets
            )

    def _choose(self, comparison: Comparison, margin: float) -> None:
        """Take the simplest value within one standard error of the best."""
        probe, key, own = self.probe, comparison.key, comparison.own
        names = [str(value) for value in comparison.values]
        trials = sorted(comparison.trials, key=lambda trial: names.index(trial.value))
        if key != WEIGHTS:  # weights change the log loss by design
            trials = compare_losses(trials, [comparison.losses[trial.value] for trial in trials], probe.sample.together)
        trials = choose_simplest(trials, str(own), margin)
        probe.trials += trials
        taken = next(trial.value for trial in trials if trial.chosen)
        value = next(value for value in comparison.values if str(value) == taken)
        probe.evidence[key] = describe_evidence(key, trials, str(own))
        if value != own:
            self.recipe = change_setting(self.recipe, key, value)
            self.features, self.network = comparison.extracted[taken], comparison.networks[taken]
            probe.chosen[key] = value

    def _estimate_view(self, recipe: Recipe, is_new: bool) -> float:
        """Estimate the seconds of the plain view of the probe's images, where `is_new` by a network yet to be built."""
        seconds = estimate_forward_seconds(len(self.probe.sample), recipe.image.size_px, recipe.model.backbone)
        return seconds + BUILD_SECONDS * is_new

    def _measure(self, recipe: Recipe, features: PlainFeatures) -> CrossValidation:
        columns = select_taps(features.rows, features.widths, recipe.model.head.taps)
        return self.probe.measure(columns, recipe.training.class_weights == "balanced")

    def _look_first(self, recipe: Recipe, network: FrozenNetwork) -> FirstLook | None:
        """Compare a recipe with a view of its own with the one chosen so far, on some of the images; None without."""
        probe, first = self.probe, self.probe.first
        if first is None:
            return None
        place_of = {path: place for place, path in enumerate(probe.sample.paths)}
        places = [place_of[path] for path in first.paths]
        own = replace(self.features, rows=self.features.rows[places])
        losses = []
        for one, features in ((self.recipe, own), (recipe, self._extract(recipe, network, first))):
            columns = select_taps(features.rows, features.widths, one.model.head.taps)
            balanced = one.training.class_weights == "balanced"
            found = measure_head(columns, first.targets, first.fold_of, probe.task, balanced, first.together)
            losses.append(measure_weighed_losses(probe.task, found.probabilities, first.targets))
        return FirstLook(len(first), *measure_gap(losses[1], losses[0], number_together(first.together)))

    def _open_changed(self, key: str, recipe: Recipe) -> FrozenNetwork:
        """Open the network of a recipe that differs in one setting; that chosen so far where only the view differs."""
        return self.network.read_as(recipe.image.fit) if key == FIT and self.network else self._open(recipe)

    def _open(self, recipe: Recipe) -> FrozenNetwork:
        from sightx_cli.features.plain import FrozenNetwork

        asked = change_setting(recipe, TAPS, "all") if recipe.model.head.pool == "avg" else recipe
        assert self.store is not None, "fit and probe need a store: with --no-cache there is no probe"
        options, how = self.options, (self.options.device, self.options.engine, self.pixels, self.reading)
        return FrozenNetwork(asked, options.weights_file(), self.store, self.listener, *how)

    def _extract(
        self, recipe: Recipe, network: FrozenNetwork | None = None, sample: TrainSample | None = None
    ) -> PlainFeatures:
        """Extract the features of the probe's images, or a sample of them, by the recipe's network."""
        network, sample = network or self._open(recipe), sample or self.probe.sample
        task = f"probe: {recipe.image.size_px} px, {recipe.image.fit}, {recipe.model.backbone}"
        return network.extract(sample.paths, sample.digests, task)


def is_joined(key: str, value: Any) -> bool:
    """Whether a value of the setting `key` is networks side by side."""
    return key == BACKBONE and BESIDE in str(value)


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

"""Before a fit: which changes of the augmentation profile do the labels bear? (See `probe.tolerance`.)"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import WeightsError, quote
from sightx_cli.probe.tolerance import Tolerance, load_tolerance, measure_tolerances
from sightx_cli.probe.trials import IMAGES_PER_SECOND
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.names import show_value
from sightx_cli.recipe.plan import PlanValue
from sightx_cli.recipe.profiles import CHANGES, PROFILES, name_changes
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import change_setting
from sightx_cli.steps.duration import MACS, count_macs
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.probe_images import estimate_fit_seconds
from sightx_cli.steps.train_part import TrainPart, TrainSample
from sightx_cli.task.stratification import number_together

if TYPE_CHECKING:
    from sightx_cli.features.plain import FrozenNetwork

MOST_IMAGES = 200
FEWEST_IMAGES = 20
"""As many images are measured, of as many groups, or none."""

FIRST_IMAGES, FEWEST_FOR_FIRST = 100, 150
"""Of at least so many images a change is measured on this many first, and on the others where these leave doubt."""

LEAST_SECONDS, MOST_SHARE = 5.0, 0.3
"""What may be spent in any case, as assumed of a machine, and of a long fit this share. Where the first images tell,
half of it is."""

OFF = "image.off"
KIND = "augmentation"
BEARING = "measuring which changes leave the labels alone"
"""The task as the user sees it."""


@dataclass(frozen=True)
class ToleranceEvidence:
    """What each change costs, by `probe.tolerance`; why nothing was measured where there is none."""

    profile: str
    tolerances: tuple[Tolerance, ...] = ()
    why_not: str = ""

    @property
    def off(self) -> tuple[str, ...]:
        """The changes that the labels do not bear."""
        return tuple(one.change for one in self.tolerances if not one.is_borne)

    def notices(self, is_named: bool) -> list[Notice]:
        """Say what is off and why, or, where the user named the profile, what should be."""
        if self.why_not:
            unknown = f"which changes of the profile {self.profile} leave the labels alone is not measured"
            advice = f"To leave one out: --set {quote(write_off(['mirroring']))}"
            return [Notice(KIND, f"{unknown}: {self.why_not}. {advice}")]
        harm = [one for one in self.tolerances if not one.is_borne]
        if is_named and harm:
            found = f"you named the profile {self.profile}, so all its changes are made, though some do harm"
            advice = f"To leave them out: --set {quote(write_off(self.off))}"
            text = f"{found}: {'; '.join(map(describe_cost, harm))}. {advice}"
            return [Notice(KIND, text, len(harm), warns=True)]
        return [Notice(KIND, f"{describe_off(one)}. {self.undo(one.change)}", 1) for one in harm]

    def undo(self, change: str) -> str:
        """Say what to type so that a change that is off is made."""
        others = [one for one in self.off if one != change]
        return f"To make it all the same: --set {quote(write_off(others))}"

    def describe(self) -> str:
        """Say what was measured, in one line."""
        if self.why_not:
            return f"not measured: {self.why_not}"
        said = [describe_off(one) for one in self.tolerances if not one.is_borne]
        borne = [CHANGES[one.change].changed for one in self.tolerances if one.is_borne]
        if borne:
            said.append(f"no harm by {', '.join(borne)}")
        images = sorted({one.images for one in self.tolerances})
        return f"{'; '.join(said)} (measured on {' to '.join(map(str, images))} images)"


def describe_cost(one: Tolerance) -> str:
    """Say what a change costs: "mirrored images lose 0.98 of 1.00 accuracy, and learning from them costs …"."""
    cost = f"{one.cost.mean:.2f} accuracy" if one.cost.mean >= 0.005 else f"{one.rise.mean:.2f} log loss"
    return (
        f"{CHANGES[one.change].changed} lose {one.lost.mean:.2f} accuracy (of {one.accuracy:.2f}), and learning from "
        f"them costs unchanged ones {cost}"
    )


def describe_off(one: Tolerance) -> str:
    """Say that a change is not made, and why: "mirroring is off: mirrored images lose …"."""
    return f"{CHANGES[one.change].off}: {describe_cost(one)}"


def write_off(off: Sequence[str]) -> str:
    """Write the setting that leaves changes out."""
    return f"{OFF}={show_value(list(off))}"


def find_tolerance(part: TrainPart, listener: Listener) -> ToleranceEvidence | None:
    """Measure which changes the labels bear; None where none is made, or the recipe or an option says it."""
    recipe = part.recipe
    image, profile = recipe.image, PROFILES[recipe.image.profile]
    changes = name_changes(profile)
    if image.off is not None or not changes or not is_augmented(recipe, part.store is not None):
        return None
    if recipe.model.weights == "scratch":
        return ToleranceEvidence(image.profile, why_not="the recipe starts from scratch")
    if (kept := part.find_kept(KIND)) is not None:
        tolerances = tuple(load_tolerance(one) for one in kept["tolerances"])
        return ToleranceEvidence(kept["profile"], tolerances, kept["why_not"])
    try:
        finding = measure_changes(part, changes, listener)
    except WeightsError:
        return None  # what follows says it, after what no weights can change
    part.keep(KIND, asdict(finding))
    return finding


def measure_changes(part: TrainPart, changes: Sequence[str], listener: Listener) -> ToleranceEvidence:
    """Measure each change on some images of the train part."""
    recipe, image = part.recipe, part.recipe.image
    most = choose_image_count(recipe, len(part.rows), len(changes))
    if most < FEWEST_IMAGES:
        return ToleranceEvidence(image.profile, why_not="it would take long")
    sample = part.sample(most)
    if sample is None or number_together(sample.together).max() + 1 < FEWEST_IMAGES:
        return ToleranceEvidence(image.profile, why_not="there are too few images or groups")
    network = part.open_network(recipe, listener)
    plain = network.extract(sample.paths, sample.digests, BEARING)
    if not np.isfinite(plain.rows).all():
        return ToleranceEvidence(image.profile, why_not="the network gives no numbers")
    measuring = Measuring(part, network, sample, plain.rows)
    first = part.sample(FIRST_IMAGES) if len(sample) >= FEWEST_FOR_FIRST else None
    if first is None or not first.is_within(sample):
        measured = measuring.measure(sample, changes)
    else:
        measured = measuring.measure(first, changes)
        if unclear := [one.change for one in measured.values() if not one.is_clear]:
            measured |= measuring.measure(sample, unclear)
    return ToleranceEvidence(image.profile, tuple(measured[change] for change in changes))


class Measuring:
    """Measures changes on samples of the train part, each a part of the largest, and each view once."""

    def __init__(
        self, part: TrainPart, network: FrozenNetwork, largest: TrainSample, plain: NDArray[np.float32]
    ) -> None:
        self.part, self.network = part, network
        self.plain = dict(zip(largest.paths, plain, strict=True))
        self.changed: dict[str, dict[str, NDArray[np.float32]]] = {}
        """The features (F,) of changed views, by change and path."""

    def measure(self, sample: TrainSample, changes: Sequence[str]) -> dict[str, Tolerance]:
        """Measure changes on the images of a sample, each by its name."""
        self._compute(sample, changes)
        recipe = self.part.recipe
        measured = measure_tolerances(
            np.stack([self.plain[path] for path in sample.paths]),
            {change: np.stack([self.changed[change][path] for path in sample.paths]) for change in changes},
            sample.targets,
            sample.fold_of,
            self.part.task,
            recipe.training.class_weights == "balanced",
            sample.together,
        )
        return {one.change: one for one in measured}

    def _compute(self, sample: TrainSample, changes: Sequence[str]) -> None:
        from sightx_cli.features.changed_views import ChangedViews

        image = self.part.recipe.image
        made, seed = PROFILES[image.profile], self.part.options.seed
        views = ChangedViews(image.size_px, image.fit, made, tuple(changes), seed, self.part.reading)
        known = self.changed.get(changes[0], {})
        items = [item for item in zip(sample.digests, sample.paths, strict=True) if item[1] not in known]
        batches = views.read_batches(items, self.network.forward.batch_images)
        rows = self.network.compute(batches, len(items) * len(changes), BEARING)
        rows = rows.reshape(len(items), len(changes), -1)
        for place, change in enumerate(changes):
            self.changed.setdefault(change, {}).update({path: rows[n, place] for n, (_, path) in enumerate(items)})


def is_augmented(recipe: Recipe, cached: bool) -> bool:
    """Whether a fit draws augmented views: more than one on frozen layers, or fresh ones where none are cached."""
    return recipe.training.views > 1 or not cached or any(stage.train in ("all", "scratch") for stage in recipe.stage)


def choose_image_count(recipe: Recipe, images: int, changes: int) -> int:
    """Choose how many images are measured: within LEAST_SECONDS or MOST_SHARE of the fit, as assumed of a machine."""
    per_second = IMAGES_PER_SECOND * MACS / count_macs(recipe)
    least = LEAST_SECONDS * per_second
    share = MOST_SHARE * estimate_fit_seconds(recipe, images) * IMAGES_PER_SECOND * (224 / recipe.image.size_px) ** 2
    return min(MOST_IMAGES, int(max(least, share) / changes))


def take_train_part(preparation: Preparation) -> TrainPart:
    """Take the train part of a preparation, with the recipe that it has come to."""
    of = preparation
    return TrainPart(of.part("train"), of.task, of.recipe, of.options, of.store, of.reading, of.pixels)


def settle_tolerance(preparation: Preparation, listener: Listener) -> Preparation:
    """Measure which changes the labels bear, and leave out what they do not; recipe and plan then hold what was found.

    A profile that the user named is made as it is, with a warning.
    """
    began = time.perf_counter()
    finding = find_tolerance(take_train_part(preparation), listener)
    if finding is None:
        return preparation
    values = dict(preparation.plan.values)
    is_named = values["image.profile"].origin == "option"
    for notice in finding.notices(is_named):
        listener.notice(notice)
    recipe, evidence = preparation.recipe, finding.describe()
    if finding.why_not:
        values[OFF] = replace(values[OFF], evidence=evidence)
    else:
        off = () if is_named else finding.off
        recipe = change_setting(recipe, OFF, off)
        values[OFF] = PlanValue(list(off), "probe", evidence)
    plan = replace(preparation.plan, recipe=recipe, values=values)
    seconds = {**preparation.seconds, "augmentation": time.perf_counter() - began}
    return replace(preparation, recipe=recipe, plan=plan, seconds=seconds)

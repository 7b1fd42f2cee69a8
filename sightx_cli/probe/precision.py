"""Whether the frozen layers' features to train on may be in half precision: by what that does to the answers.

A network's own noise in half precision differs from network to network and from image to image. The finished model
computes in float32 whatever it learned from. So two heads are solved on half of some images each, once on exact
features and once on those in half precision, and both judge the exact features of the other half. Of 256 images, five
draws each, learning from bfloat16 of tf_efficientnet_lite0 changed the log loss by −0.2 to −0.1 % (ants and bees),
−0.5 to 0.0 % (X-rays), −0.1 to 0.4 % (retina photographs) and −0.3 to 0.5 % (solar cells).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightx_cli.engine.choice import EngineChoice
from sightx_cli.engine.interface import EXACT, Forward, Precision
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.extraction import compute_features
from sightx_cli.features.sample import Sample
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.machine import find_memory_shortage
from sightx_cli.probe.linear_head import STRENGTHS, measure_scale
from sightx_cli.progress import Listener
from sightx_cli.task.stratification import number_strata
from sightx_cli.task.task import Task

CHECKED_IMAGES = 256
BOUND = 0.01
"""By what share the log loss on images not learned from may be greater."""

PAYS_FROM_VIEWS = 2_000
"""With fewer views of images, the work is done before a second compiled network and its check have paid off."""


@dataclass(frozen=True)
class HalfCheck:
    """What learning from half precision did: the mean log loss of images not learned from, before and with it."""

    precision: Precision
    images: int
    exact_loss: float
    half_loss: float

    @property
    def change(self) -> float:
        """By what share the log loss is greater."""
        return self.half_loss / self.exact_loss - 1 if self.exact_loss > 0 else math.inf

    @property
    def passed(self) -> bool:
        """Whether half precision may be used."""
        return self.change <= BOUND

    def describe(self) -> str:
        """Say what was found and what follows from it."""
        then = f"the images to train on are computed in {self.precision if self.passed else EXACT}"
        if not math.isfinite(self.change):
            return f"this network gives no finite numbers in {self.precision}, or cannot be computed in it: {then}"
        return (
            f"learning from features in {self.precision} changes the log loss of {self.images} training images, judged "
            f"by heads that did not see them, by {self.change:+.1%} (allowed: {BOUND:+.0%}): {then}"
        )


def settle_precision(
    engine: EngineChoice,
    build: Callable[[Precision], Forward],
    view: View,
    train: Sample,
    task: Task,
    views: int,
    seed: int,
    listener: Listener,
    store: FeatureStore | None = None,
    prefix: str = "",
) -> EngineChoice:
    """Return the engine with the precision in which the training images are computed, and why.

    `build` compiles the frozen network (output `features`) in a precision; `views` is how many views are read;
    in `store` a check of this frozen network, whose address is `prefix`, is found again.
    """
    if engine.half is None:
        return replace(engine, precision_why="this device has no faster half precision")
    if views < PAYS_FROM_VIEWS:
        why = f"with {views:,} images to read, {engine.half} would save less time than its check takes"
        return replace(engine, precision_why=why)
    places = choose_checked(number_strata(task.find_strata(train.targets)), seed)
    paths, digests = ([values[place] for place in places] for values in (train.paths, train.digests))
    checked = Sample(paths, digests, train.targets[places])
    what = {"learned from": engine.half, "prefix": prefix, "view": view.key, "digests": digests, "seed": seed}
    address = digest_key({**what, "targets": checked.targets.tolist()})
    known = store.find_text(address) if store is not None else None
    check = HalfCheck(**json.loads(known)) if known else check_half(engine.half, build, view, checked, task)
    if store is not None and check is not None and not known:
        store.keep_text(address, json.dumps(asdict(check)), f"what {engine.half} changes")
    if check is None:
        return replace(engine, precision_why=f"too few images of two classes to check {engine.half} on")
    listener.note(f"precision: {check.describe()}")
    return replace(engine, precision=engine.half if check.passed else EXACT, precision_why=check.describe())


def check_half(
    half: Precision,
    build: Callable[[Precision], Forward],
    view: View,
    checked: Sample,
    task: Task,
) -> HalfCheck | None:
    """Compare half precision with float32 on the images to check; None where they are too few to judge."""
    strata, targets = number_strata(task.find_strata(checked.targets)), checked.targets
    sides = np.arange(len(checked)) % 2
    if any(len(np.unique(strata[sides == side])) < 2 for side in (0, 1)):
        return None

    def compute(precision: Precision) -> NDArray[np.float32]:
        return compute_features(build(precision), view, checked.paths, checked.digests).take()

    exact = compute(EXACT)
    try:
        rounded = compute(half)
    except RuntimeError as error:  # torch has no such operation in half precision
        if find_memory_shortage(error):
            raise
        return HalfCheck(half, len(checked), 1.0, math.inf)
    if not np.isfinite(rounded).all():
        return HalfCheck(half, len(checked), 1.0, math.inf)
    losses = []
    for learned in (exact, rounded):
        total = 0.0
        for side in (0, 1):
            judged = sides == side
            total += _measure_loss(learned[~judged], targets[~judged], exact[judged], targets[judged], task.plain())
        losses.append(total / len(checked))
    return HalfCheck(half, len(checked), *losses)


def choose_checked(strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Choose the places of up to CHECKED_IMAGES images, pairs of one stratum next to each other, strata in turn."""
    order = np.random.default_rng(seed).permutation(len(strata))
    rank = np.zeros(len(strata), np.int64)
    for stratum in np.unique(strata):
        mine = order[strata[order] == stratum]
        rank[mine] = np.arange(len(mine))
    chosen = np.lexsort((rank, strata, rank // 2))
    return chosen[:CHECKED_IMAGES]


def _measure_loss(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    judged: NDArray[np.float32],
    judged_targets: NDArray[np.int64],
    task: Task,
) -> float:
    """Solve a head on features (N, F); return its log loss on others, summed."""
    mean, deviation = measure_scale(features)
    model = task.build_regression(STRENGTHS[1], False, 1e-3).fit((features - mean) / deviation, targets)
    return model.measure_loss((judged - mean) / deviation, judged_targets)

"""Whether half precision may be used: decided by what it does to this network on images of this data set.

A network's own noise in half precision differs from network to network and from image to image: with
tf_efficientnet_lite0, bfloat16 leaves the labels of ants and bees alone and changes every ninth retina photograph's.
So two heads are solved on the exact features of half of the images each, and judge the other half in both precisions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

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

CHECKED_IMAGES = 64
BOUND = 0.1
"""How far half precision may move the probability of any class of a checked image; its label must stay the same."""

PAYS_FROM_VIEWS = 1_000
"""With fewer views of images, the work is done before a second compiled network and its check have paid off."""


@dataclass(frozen=True)
class HalfCheck:
    """What half precision did to the checked images: labels that changed, the largest change of a probability."""

    precision: Precision
    images: int
    changed: int
    largest_change: float

    @property
    def passed(self) -> bool:
        """Whether half precision may be used."""
        return self.changed == 0 and self.largest_change <= BOUND

    def describe(self) -> str:
        """Say what was found and what follows from it."""
        labels = "no label" if not self.changed else "1 label" if self.changed == 1 else f"{self.changed} labels"
        then = f"training in {self.precision}" if self.passed else "float32 throughout"
        return (
            f"{self.precision} changes {labels} of {self.images} training images and probabilities by up to "
            f"{self.largest_change:.2f} (allowed: no label, {BOUND}): {then}"
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
    what = {"half": engine.half, "prefix": prefix, "view": view.key, "digests": digests, "seed": seed}
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
        return HalfCheck(half, len(checked), len(checked), 1.0)
    changed, largest = 0, 0.0
    for side in (0, 1):
        judged = sides == side
        head = _solve(exact[~judged], targets[~judged], task.plain())
        before, after = head(exact[judged]), head(rounded[judged])
        changed += int(task.differ(before, after).sum())
        largest = max(largest, float(np.abs(after - before).max()))
    return HalfCheck(half, len(checked), changed, largest)


def choose_checked(strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Choose the places of up to CHECKED_IMAGES images, pairs of one stratum next to each other, strata in turn."""
    order = np.random.default_rng(seed).permutation(len(strata))
    rank = np.zeros(len(strata), np.int64)
    for stratum in np.unique(strata):
        mine = order[strata[order] == stratum]
        rank[mine] = np.arange(len(mine))
    chosen = np.lexsort((rank, strata, rank // 2))
    return chosen[:CHECKED_IMAGES]


def _solve(
    features: NDArray[np.float32], targets: NDArray[np.int64], task: Task
) -> Callable[[NDArray[np.float32]], NDArray[Any]]:
    mean, deviation = measure_scale(features)
    model = task.build_regression(STRENGTHS[1], False, 1e-3).fit((features - mean) / deviation, targets)
    return lambda rows: model.predict((rows - mean) / deviation)

"""The train part, and a recipe that something is measured of it for: before a fit, and in an inspection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.splits import join_groups
from sightx_cli.probe.folds import assign_folds, shrink_folds
from sightx_cli.probe.trials import PROBE_FOLDS, sample_images
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.steps.options import Options
from sightx_cli.task.stratification import number_strata
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.data.pixels import PlainViews
    from sightx_cli.features.plain import FrozenNetwork
    from sightx_cli.features.store import FeatureStore
    from sightx_cli.progress import Listener

FEWEST_OF_STRATUM = 4
"""Where fewer images of each class could be taken, only some of the classes are."""


@dataclass(frozen=True)
class TrainSample:
    """Some images of the train part, in folds: what quick heads are cross-validated on."""

    paths: list[str]
    digests: list[str]
    targets: NDArray[np.int64]
    together: list[str]
    """What stays in one fold: each image's group or twin, "" for none."""
    fold_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class TrainPart:
    """The rows of the train part, what their labels are, and the recipe whose network looks at them."""

    rows: pd.DataFrame
    task: Task
    recipe: Recipe
    options: Options
    store: FeatureStore | None
    pixels: PlainViews | None = None

    def sample(self, most: int) -> TrainSample | None:
        """Take at most so many images, each class by its share; None where the classes are too small to be divided.

        The images of a smaller sample are among those of a larger one.
        """
        return sample_train(self.rows, self.task, most, self.options.seed)

    def open_network(self, recipe: Recipe, listener: Listener) -> FrozenNetwork:
        """Open the frozen network of the recipe, or of one that differs in little."""
        from sightx_cli.features.plain import FrozenNetwork

        options = self.options
        return FrozenNetwork(
            recipe, options.weights_file(), self.store, listener, options.device, options.engine, self.pixels
        )


def sample_train(rows: pd.DataFrame, task: Task, most: int, seed: int) -> TrainSample | None:
    """Sample rows of the train part (see `TrainPart.sample`)."""
    strata = number_strata(task.find_strata(task.number(rows["label"].tolist())))
    present = np.unique(strata)
    if FEWEST_OF_STRATUM * len(present) > most:
        some = np.random.default_rng(seed).permutation(present)[: max(2, most // FEWEST_OF_STRATUM)]
        chosen = np.isin(strata, some)
        rows, strata = rows[chosen], strata[chosen]
    sampled = rows.iloc[sample_images(strata, most, seed)]
    labels = sampled["label"].tolist()
    together = join_groups(sampled["group"].tolist(), sampled["digest"].tolist())
    folds = shrink_folds(PROBE_FOLDS, task.stratify(labels), together)
    if folds < 2:
        return None
    return TrainSample(
        [str(path) for path in sampled["path"]],
        sampled["digest"].tolist(),
        task.number(labels),
        together,
        assign_folds(task.stratify(labels), together, folds, seed),
    )

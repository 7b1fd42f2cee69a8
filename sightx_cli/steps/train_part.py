"""The train part, and a recipe that something is measured of it for: before a fit, and in an inspection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.readers import AS_IS, Reading, list_packages
from sightx_cli.data.splits import join_groups
from sightx_cli.features.addresses import digest_key
from sightx_cli.probe.folds import assign_folds, shrink_folds
from sightx_cli.probe.trials import PROBE_FOLDS, sample_images
from sightx_cli.recipe.recipe import Recipe, recipe_to_table
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

    def is_within(self, larger: TrainSample) -> bool:
        """Whether all of its images are among those of another; not where they have different classes to draw from."""
        return set(self.paths) <= set(larger.paths)


@dataclass(frozen=True)
class TrainPart:
    """The rows of the train part, what their labels are, and the recipe whose network looks at them."""

    rows: pd.DataFrame
    task: Task
    recipe: Recipe
    options: Options
    store: FeatureStore | None
    reading: Reading = AS_IS
    pixels: PlainViews | None = None

    def sample(self, most: int) -> TrainSample | None:
        """Take at most so many images, each class by its share; None where the classes are too small to be divided.

        The images of a smaller sample are among those of a larger one.
        """
        return sample_train(self.rows, self.task, most, self.options.seed)

    def open_network(self, recipe: Recipe, listener: Listener) -> FrozenNetwork:
        """Open the frozen network of the recipe, or of one that differs in little."""
        from sightx_cli.features.plain import FrozenNetwork

        options, weights_file = self.options, self.options.weights_file()
        how = (options.device, options.engine, self.pixels, self.reading)
        return FrozenNetwork(recipe, weights_file, self.store, listener, *how)

    def find_kept(self, what: str) -> dict[str, Any] | None:
        """Find what was measured of the same images, labels, groups and recipe before; None where nothing was."""
        known = self._kept_in.find_text(self._address(what)) if self._kept_in is not None else None
        return None if known is None else json.loads(known)

    def keep(self, what: str, found: Mapping[str, Any]) -> None:
        """Keep what was measured, to be found again."""
        if self._kept_in is not None:
            about = f"{what}, measured on {len(self.rows):,} images"
            self._kept_in.keep_text(self._address(what), json.dumps(found), about)

    @property
    def _kept_in(self) -> FeatureStore | None:
        return self.store if self.options.weights is None else None  # a file may change under its name

    def _address(self, what: str) -> str:
        named = {
            "measured": what,
            "images": {name: self.rows[name].tolist() for name in ("digest", "label", "group")},
            "recipe": recipe_to_table(self.recipe),
            "reading": asdict(self.reading),
            "task": self.task.to_json(),
            "options": [self.options.seed, self.options.engine, self.options.device],
        }
        return digest_key(named, ("scikit-learn", "openvino", "torch", "timm", *list_packages()))


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

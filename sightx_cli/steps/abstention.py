"""What tells images unlike those of the training: features that no training changed, of some training images.

The limit is the distance that all but 2 % of the training images keep to the others, each left out with its group: on
new images of the same kind that is 2 to 5 %. The frozen features are those that the fit has kept anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.familiarity import (
    NEIGHBOURS,
    FamiliarImages,
    Familiarity,
    measure_distances,
    scale_features,
    write_vectors,
)
from sightx_cli.data.splits import join_groups
from sightx_cli.engine.interface import FEATURES
from sightx_cli.probe.trials import sample_images
from sightx_cli.progress import Listener, Notice
from sightx_cli.task.stratification import number_strata, number_together

if TYPE_CHECKING:
    from sightx_cli.features.extraction import Features
    from sightx_cli.steps.preparation import Preparation
    from sightx_cli.train.state import Session

LEVEL = 0.98
"""The share of the training images, each left out with its group, that lie within the limit."""

FEWEST_UNITS = 20
"""With fewer images, or groups, that belong together nothing is measured."""

MOST_IMAGES = 2000
MOST_VALUES = 2_560_000
"""The most images that are kept, and numbers of their features: 5 MB as float16."""

READ_IMAGES = 256
"""Images whose maps are read at a time."""


@dataclass(frozen=True)
class Fitted:
    """What tells unfamiliar images, and how many of the valid part look so."""

    facts: Familiarity
    vectors: NDArray[np.float32]
    unfamiliar: int


def count_frozen_stages(session: Session) -> int:
    """Count the stages of the finished model's backbone that are as they were pretrained."""
    if session.recipe.model.weights == "scratch":
        return 0
    whole = len(session.backbone.stages)
    return min(session.trained_from, whole) if session.best.backbone_trained else whole


def fit_familiarity(preparation: Preparation, session: Session, listener: Listener) -> Fitted | None:
    """Fit what tells unfamiliar images; None, after a notice, where nothing frozen is at hand to tell them by."""
    stages = count_frozen_stages(session)
    kept = session.kept or session.features
    output = FEATURES if stages == len(session.backbone.stages) else f"map_{stages}"
    if not stages or kept is None or output not in kept.valid.columns:
        why = "every layer was trained" if not stages else "the features of the frozen layers are not kept (--no-cache)"
        listener.notice(Notice("no-familiarity", f"predict will call no image unfamiliar: {why}"))
        return None
    part = preparation.part("train")
    features = kept.train_views[0]
    width = read_frozen(features, output, session, np.arange(1)).shape[1]
    most = min(MOST_IMAGES, max(FEWEST_UNITS, MOST_VALUES // width))
    strata = number_strata(session.task.find_strata(session.train.targets))
    chosen = sample_images(strata, most, preparation.options.seed)
    together = join_groups(part["group"].tolist(), part["digest"].tolist())
    vectors = scale_features(read_frozen(features, output, session, chosen)).astype(np.float16).astype(np.float32)
    limit = measure_limit(vectors, [together[place] for place in chosen.tolist()])
    if limit is None:
        said = f"predict will call no image unfamiliar: fewer than {FEWEST_UNITS} training images are apart from others"
        listener.notice(Notice("no-familiarity", said, len(part)))
        return None
    distances = FamiliarImages(vectors, NEIGHBOURS).measure(
        read_frozen(kept.valid, output, session, np.arange(len(kept.valid)))
    )
    return Fitted(Familiarity(stages, limit, NEIGHBOURS, len(vectors)), vectors, int((distances > limit).sum()))


def read_frozen(features: Features, output: str, session: Session, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the frozen features (N, F) of some images as the bundle computes them (see `model.classifier`)."""
    if output == FEATURES:
        return np.asarray(features.take(FEATURES, positions)[:, -session.backbone.widths[-1] :], np.float32)
    import torch

    from sightx_cli.model.backbone import pool_map

    rows = []
    for start in range(0, len(positions), READ_IMAGES):
        maps = features.take(output, positions[start : start + READ_IMAGES]).astype(np.float32)
        rows.append(pool_map(torch.from_numpy(maps)).numpy())
    return np.concatenate(rows)


def measure_limit(vectors: NDArray[np.float32], together: Sequence[str]) -> float | None:
    """Measure the distance that LEVEL of the images keep to others of other groups; None where too few are apart."""
    units = number_together(together)
    _, units, sizes = np.unique(units, return_inverse=True, return_counts=True)
    if len(sizes) < FEWEST_UNITS:
        return None
    distances = measure_distances(vectors, vectors)
    distances[units[:, None] == units] = np.inf
    nearest = np.sort(distances, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    rank = min(math.ceil((len(nearest) + 1) * LEVEL), len(nearest))
    limit = float(np.sort(nearest)[rank - 1])
    return math.ceil(limit * 1e6) / 1e6 if math.isfinite(limit) else None


def write_familiarity(fitted: Fitted, folder: Path) -> int:
    """Write the vectors into a bundle's folder; returns the file's size in bytes."""
    write_vectors(folder / runs.BUNDLE_FAMILIAR, fitted.vectors)
    return (folder / runs.BUNDLE_FAMILIAR).stat().st_size

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
from sightx_cli.engine.interface import FEATURES, FROZEN, choose_batch
from sightx_cli.engine.openvino_forward import load_openvino
from sightx_cli.features.extraction import compute_outputs
from sightx_cli.features.views import plain_view, read_batches
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

MOST_IMAGES = 1000
MOST_VALUES = 1_280_000
"""The most images that are kept, and numbers of their features: 2.6 MB as float16, a hundredth of a network's work."""

READ_IMAGES = 256
"""Images whose maps are read at a time."""


@dataclass(frozen=True)
class Fitted:
    """What tells unfamiliar images, and how many of the valid part look so; None where that part was not looked at."""

    facts: Familiarity
    vectors: NDArray[np.float32]
    unfamiliar: int | None


def count_frozen_stages(session: Session) -> int:
    """Count the stages of the finished model's backbone that are as they were pretrained."""
    if session.recipe.model.weights == "scratch":
        return 0
    whole = len(session.backbone.stages) if session.frozen_before is None else session.frozen_before
    return min(session.trained_from, whole) if session.best.backbone_trained else whole


def fit_familiarity(
    preparation: Preparation, session: Session, stages: int, graph: Path, listener: Listener
) -> Fitted | None:
    """Fit what tells unfamiliar images by stages that were not trained; None, after a notice, where nothing can.

    Their features are those that the fit has kept; where it kept none, the finished `graph` computes them.
    """
    if not stages:
        say_untold("none of the network's layers is as it was pretrained", listener)
        return None
    chosen = choose_compared(preparation, session)
    kept = session.kept or session.features
    output = FEATURES if stages == len(session.backbone.stages) else f"map_{stages}"
    unfamiliar, of_valid = None, None
    if kept is not None and output in kept.valid.columns:
        rows = read_frozen(kept.train_views[0], output, session, chosen)
        of_valid = read_frozen(kept.valid, output, session, np.arange(len(kept.valid)))
    elif graph.is_file():
        rows = compute_frozen(graph, session, chosen)
    else:
        say_untold("torch runs this network, and its features are not kept", listener)
        return None
    vectors = scale_features(rows[: max(FEWEST_UNITS, MOST_VALUES // rows.shape[1])])
    vectors = vectors.astype(np.float16).astype(np.float32)  # as they are kept
    part = preparation.part("train")
    together = join_groups(part["group"].tolist(), part["digest"].tolist())
    limit = measure_limit(vectors, [together[place] for place in chosen[: len(vectors)].tolist()])
    if limit is None:
        say_untold(
            f"fewer than {FEWEST_UNITS} training images are unrelated: of groups of their own, and no copies", listener
        )
        return None
    if of_valid is not None:
        unfamiliar = int((FamiliarImages(vectors, NEIGHBOURS).measure(of_valid) > limit).sum())
    return Fitted(Familiarity(stages, limit, NEIGHBOURS, len(vectors)), vectors, unfamiliar)


def say_untold(why: str, listener: Listener) -> None:
    """Say that no image will be called unfamiliar, and why."""
    listener.notice(Notice("no-familiarity", f"predict will call no image unfamiliar: {why}"))


def choose_compared(preparation: Preparation, session: Session) -> NDArray[np.int64]:
    """Choose the training images to compare with, in an order of chance: each class by its share."""
    strata = number_strata(session.task.find_strata(session.train.targets))
    chosen = sample_images(strata, MOST_IMAGES, preparation.options.seed)
    return np.random.default_rng(preparation.options.seed).permutation(chosen)


def compute_frozen(graph: Path, session: Session, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute the frozen features (N, F) of some training images with the finished graph."""
    forward = load_openvino(graph, batch=choose_batch(session.view.size_px))
    items = [(session.train.digests[place], session.train.paths[place]) for place in positions.tolist()]
    work = "comparing training images"
    session.listener.start(work, len(items), "images")
    batches = read_batches(items, plain_view(session.view), forward.batch_images)
    rows = compute_outputs(forward, batches, len(items), session.listener, work)[FROZEN]
    session.listener.finish(work)
    return rows


def read_frozen(features: Features, output: str, session: Session, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the frozen features (N, F) of some images as the bundle computes them (see `model.classifier`)."""
    if output == FEATURES:
        return np.asarray(features.take(FEATURES, positions)[:, -session.backbone.widths[-1] :], np.float32)
    import torch

    rows, place = [], int(output.removeprefix("map_")) - 1
    for start in range(0, len(positions), READ_IMAGES):
        maps = features.take(output, positions[start : start + READ_IMAGES]).astype(np.float32)
        rows.append(session.backbone.pool_stage(torch.from_numpy(maps), place).numpy())
    return np.concatenate(rows)


def measure_limit(vectors: NDArray[np.float32], together: Sequence[str]) -> float | None:
    """Measure the distance that LEVEL of the images keep to others of other groups; None where too few are apart."""
    units = number_together(together)
    _, units, sizes = np.unique(units, return_inverse=True, return_counts=True)
    if len(sizes) < FEWEST_UNITS:
        return None
    distances = measure_distances(vectors, vectors)
    distances[units[:, None] == units] = np.inf
    nearest = np.partition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    rank = min(math.ceil((len(nearest) + 1) * LEVEL), len(nearest))
    limit = float(np.sort(nearest)[rank - 1])
    return math.ceil(limit * 1e6) / 1e6 if math.isfinite(limit) else None


def write_familiarity(fitted: Fitted, folder: Path) -> int:
    """Write the vectors into a bundle's folder; returns the file's size in bytes."""
    write_vectors(folder / runs.BUNDLE_FAMILIAR, fitted.vectors)
    return (folder / runs.BUNDLE_FAMILIAR).stat().st_size

"""What the head is solved and judged on: the whole backbone's outputs, read from the store or computed for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.engine.choice import EngineChoice, build_forward
from sightx_cli.engine.interface import FEATURES
from sightx_cli.features.outputs import View, read_batches
from sightx_cli.features.prefix import KeptPrefix
from sightx_cli.features.sample import Sample
from sightx_cli.model.backbone import Backbone, Prefix
from sightx_cli.model.weights import Weights
from sightx_cli.progress import Listener

SOLVE_READINGS = 2000
"""The head is solved on as many views of the images as stay within so many rows."""


@dataclass(frozen=True)
class Features:
    """What the head is solved and judged on: the whole backbone's outputs, (rows, F) float32.

    The train rows hold every image once per view, view after view.
    """

    train: NDArray[np.float32]
    views: int
    valid: NDArray[np.float32]


def read_features(kept: KeptPrefix, train_images: int, valid_images: int) -> Features:
    """Read from the store what the head is solved and judged on.

    Of few images every view helps the solution; of many the plain reading says as much, sooner.
    """
    rows = np.arange(train_images)
    count = max(1, min(len(kept.train_views), SOLVE_READINGS // train_images))
    train = [view.take(FEATURES, rows).astype(np.float32) for view in kept.train_views[:count]]
    valid = kept.valid.take(FEATURES, np.arange(valid_images)).astype(np.float32)
    return Features(np.concatenate(train), count, valid)


def compute_features(
    backbone: Backbone,
    weights: Weights,
    view: View,
    train: Sample,
    valid: Sample,
    engine: EngineChoice,
    listener: Listener,
) -> Features:
    """Compute what the head is solved and judged on, in memory, where nothing is kept: one plain view of each image."""
    prefix = Prefix(backbone, [], features=True)
    names = prefix.output_names()
    forward = build_forward(engine, prefix, names, view.size_px, weights.mean, weights.std, None, listener)

    def run(sample: Sample, task: str) -> NDArray[np.float32]:
        features = np.empty((len(sample), backbone.feature_count), np.float32)
        listener.start(task, len(sample), "images")
        items = list(zip(sample.digests, sample.paths, strict=True))
        for first, outputs in forward.run(read_batches(items, view, forward.batch_images)):
            rows = outputs[FEATURES]
            features[first : first + len(rows)] = rows
            listener.advance(task, len(rows))
        listener.finish(task)
        return features

    return Features(run(train, "features of the train part"), 1, run(valid, "features of the valid part"))

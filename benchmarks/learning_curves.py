"""Whether learning curves tell the truth: planted sets whose curve many other sets of their kind show.

How often the 95 % band, the range of the last step and that of twice the images hold it, and what is concluded.

    .venv/bin/python benchmarks/learning_curves.py              24 sets of each kind: four minutes on one core
    .venv/bin/python benchmarks/learning_curves.py --sets 100   more of them
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.registry import METRICS
from sightx_cli.probe.curve_figures import MeasuredCurve, measure_curve
from sightx_cli.probe.curve_verdict import judge_curve
from sightx_cli.probe.folds import assign_folds
from sightx_cli.probe.learning_curve import learn_shares
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("a", "b", "c"))
FIGURES = ("accuracy", "loss", "roc_auc")
KINDS = (
    (70, 10, 1.5, 1), (100, 200, 2.0, 1), (200, 200, 2.5, 1), (300, 64, 2.0, 1), (400, 100, 2.0, 1),
    (600, 64, 2.0, 10), (1_500, 100, 2.5, 1), (2_000, 8, 2.5, 1),
)  # fmt: skip
"""Images, features, how far the classes' middles lie apart, and images of a group, which share half of their noise."""


def plant(images: int, features: int, apart: float, of_group: int, seed: int) -> tuple[NDArray[np.float32], list[int]]:
    """Plant three Gaussians around the same middles for each seed: features (N, F), and the class of each image."""
    middles = np.random.default_rng(99).normal(size=(3, features)) * apart / np.sqrt(features)
    random = np.random.default_rng(seed)
    targets = np.repeat(random.integers(0, 3, images // of_group), of_group)
    shared = np.repeat(random.normal(size=(images // of_group, features)), of_group, axis=0)
    own = random.normal(size=shared.shape)
    noise = own if of_group == 1 else (own + shared) / np.sqrt(2)
    return (middles[targets] + noise).astype(np.float32), targets.tolist()


def measure(images: int, features: int, apart: float, of_group: int, seed: int) -> Mapping[str, MeasuredCurve]:
    """Measure the curves of one planted set."""
    images -= images % of_group
    rows, classes = plant(images, features, apart, of_group, seed)
    together = [f"group {place // of_group}" if of_group > 1 else "" for place in range(images)]
    fold_of = assign_folds([str(one) for one in classes], together, 5, 0)
    shares = learn_shares(rows, np.array(classes), fold_of, together, TASK, False, seed)
    curves = {name: measure_curve(METRICS[name], shares, fold_of, together) for name in FIGURES}
    return {name: curve for name, curve in curves.items() if curve is not None}


def main() -> None:
    """Print a table: for each kind of set and figure, how often what is said holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=24)
    sets = parser.parse_args().sets
    print("| images, features, of a group | figure | band | last step | spread | gain of twice | range | verdicts |")
    print("|---|---|---|---|---|---|---|---|")
    for images, features, apart, of_group in KINDS:
        found = [measure(images, features, apart, of_group, seed) for seed in range(sets)]
        more, less = (
            [measure(round(size * images), features, apart, of_group, 1_000 + seed) for seed in range(sets // 2)]
            for size in (2.5, 1.25)
        )
        for name in FIGURES:
            curves = [one[name] for one in found]
            means = np.array([curve.means for curve in curves])
            truth, sign = means.mean(axis=0), curves[0].sign
            band = np.mean([[p.low <= t <= p.high for p, t in zip(c.points, truth, strict=True)] for c in curves])
            steps, step = [curve.measure_gain(3, 4) for curve in curves], sign * (truth[4] - truth[3])
            errors = np.mean([np.sqrt(np.diag(curve.covariance)) for curve in curves], axis=0)
            gain = sign * float(np.mean([b[name].means[-1] for b in more]) - np.mean([a[name].means[-1] for a in less]))
            seen = [curve.foresee_gain(images, 2 * images) for curve in curves]
            verdicts = Counter(judge_curve(curve, images).verdict for curve in curves)
            print(
                f"| {images}, {features}, {of_group} | {name} | {band:.2f} "
                f"| {np.mean([one.low <= step <= one.high for one in steps]):.2f} "
                f"| {(means.std(axis=0) / errors).mean():.2f} × | {gain:.3f} "
                f"| {np.mean([one.low <= gain <= one.high for one in seen]):.2f} "
                f"({np.mean([one.low for one in seen]):.3f} to {np.mean([one.high for one in seen]):.3f}) "
                f"| {', '.join(f'{said} {count}' for said, count in verdicts.most_common())} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

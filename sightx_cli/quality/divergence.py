"""How far the moments at a network's last BatchNorms are from ImageNet's, as one score; its threshold, and wording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EDGE = 0.37
"""The score from which images count as different: the geometric mean of the gap between the two groups.

ImageNet's own images score 0.035, ants and bees 0.17, CIFAR-10 0.20, food photographs 0.27, flowers of 128 px 0.31;
chest X-rays 0.44, retina photographs 0.56 and 0.83, solar cells 0.71, steel surfaces 0.75, magnetic tiles 0.89.
The last four BatchNorms separate the groups by a factor of 1.45, the last one alone by 1.36; all of them do not, since
enlarging a small image blurs it, which affects the early layers.
"""
SHIFT_IMAGES = 128
"""Images sampled; 64 of them give the same score to within 0.02."""

ENLARGED_FAIRLY = 8.5
ENLARGED_AT_MOST = 16.0
"""Enlarging changes the score little up to 8 times and then in proportion, and the threshold moves with it.

Photographs (ants and bees, CIFAR-10: the larger score) and scans (chest X-rays, solar cells, retinas: the smallest)
after downscaling:

| px | enlarged | photographs | the same, grey | scans | edge |
|----|----------|-------------|----------------|-------|------|
| 64 | 3.5      | 0.17        | 0.20           | 0.44  | 0.37 |
| 32 | 7        | 0.21        | 0.29           | 0.45  | 0.37 |
| 28 | 8        | 0.22        | 0.31           | 0.47  | 0.37 |
| 24 | 9.3      | 0.24        | 0.35           | 0.49  | 0.41 |
| 20 | 11       | 0.28        | 0.40           | 0.56  | 0.49 |
| 16 | 14       | 0.33        | 0.50           | 0.70  | 0.61 |
| 12 | 19       | 0.47        | 0.72           | 0.97  | 0.70 |
| 8  | 28       | 0.87        | 1.17           | 1.47  | 0.70 |

From 16 times it stays constant: images that small are seldom photographs (scikit-learn's digits, 8 px, score 1.16).
"""

FLAT = 1e-12
"""Lower bound on a channel's variance as a share of its ImageNet variance; constant channels would have zero."""
WORTH_SAYING = 2.0
"""From this enlargement the note mentions it."""
FEW_IMAGES = 16
"""With fewer, the score of one data set varies by 0.1 between draws."""
HALVINGS = 8
"""How often few images are split at random into halves to measure how much their small number adds to the score."""

Moments = dict[str, NDArray[np.float32]]
"""By name, `mean_0`, `variance_0`, `mean_1`, …, each (N, C): see `model.norm_moments.NormMoments`."""


def measure_divergence(means: NDArray[np.float32], variances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return, per channel, the divergence of the pooled values from mean 0 and variance 1: (C,), in nats.

    `means` and `variances` are (N, C): per image, over as many positions each, of values standardised by ImageNet's.
    With m and v pooled over all images and positions it is ½ (v + m² − 1 − ln v), that is, with ImageNet's μ and s²,
    ½ (v/s² + (m−μ)²/s² − 1 − ln(v/s²)).
    """
    mean = means.mean(0, dtype=np.float64)
    variance = variances.mean(0, dtype=np.float64) + means.var(0, dtype=np.float64)
    variance = np.maximum(variance, FLAT)
    return np.asarray(0.5 * (variance + mean**2 - 1 - np.log(variance)))


def score_moments(moments: Moments) -> float:
    """Return the shift for these moments: the mean divergence over the channels, then over the norms."""
    norms = len(moments) // 2
    return float(
        np.mean([measure_divergence(moments[f"mean_{k}"], moments[f"variance_{k}"]).mean() for k in range(norms)])
    )


def score_few(moments: Moments) -> float:
    """Return the shift, corrected for the bias from having fewer than SHIFT_IMAGES images.

    Few images vary less than many of the same kind, so they seem farther away: 8 ants and bees score 0.32, 128 of
    them 0.17. The bias is proportional to 1/N, so random halves reveal it: the corrected score of 8 is
    0.17 on average (0.10 to 0.26 over 12 draws), that of 8 chest X-rays 0.48 instead of 0.44.
    """
    images = len(moments["mean_0"])
    score = score_moments(moments)
    if not 2 <= images < SHIFT_IMAGES:
        return score
    half = images // 2
    generator = np.random.default_rng(0)
    halves: list[float] = []
    for _ in range(HALVINGS):
        order = generator.permutation(images)
        for rows in (order[:half], order[half : 2 * half]):
            halves.append(score_moments({name: values[rows] for name, values in moments.items()}))
    # A bias of c/N is c/half in the halves, and c/SHIFT_IMAGES in the scores that EDGE was derived from.
    addition = (float(np.mean(halves)) - score) / (1 / half - 1 / images)
    return max(0.0, score - addition * (1 / images - 1 / SHIFT_IMAGES))


def choose_edge(enlarged: float) -> float:
    """Return the score from which images enlarged by this factor count as different (see ENLARGED_FAIRLY)."""
    return EDGE * max(1.0, min(enlarged, ENLARGED_AT_MOST) / ENLARGED_FAIRLY)


def describe_distance(score: float, edge: float) -> str:
    """Compare a score with the threshold: "well beyond", "beyond", "just beyond", "just below", "below" …"""
    far = abs(np.log(max(score, FLAT) / edge))
    side = "beyond" if score >= edge else "below"
    return f"just {side}" if far < np.log(1.1) else f"well {side}" if far >= np.log(1.5) else side


def describe_doubts(score: float, edge: float, images: int, size_px: float, enlarged: float) -> str:
    """Describe what makes a score uncertain; empty if nothing does.

    `size_px` is the side of the images, `enlarged` by how much they are enlarged for the network.
    """
    doubts = []
    if enlarged >= WORTH_SAYING:
        said = f"The images, about {size_px:.0f} px, were enlarged {enlarged:.0f} times, which blurs them"
        if edge > EDGE:
            doubts.append(f"{said}: their threshold is {edge:.2f} instead of {EDGE}.")
        else:
            doubts.append(f"{said}; up to {ENLARGED_FAIRLY:.0f} times the threshold still holds.")
    if enlarged > ENLARGED_AT_MOST:
        doubts.append("At this size, photographs can hardly be distinguished from other images.")
    if images < FEW_IMAGES:
        doubts.append(f"With only {'1 image' if images == 1 else f'{images} images'}, it may be off by 0.1 or more.")
    if describe_distance(score, edge).startswith("just"):
        doubts.append("It is close to the threshold: if you know better, set it with --shift.")
    return " ".join(doubts)

"""What a learning curve goes on to: errors fall as a power of the number of images, towards a floor.

error(n) = floor + b · n^−c (Hestness et al. 2017, arXiv:1712.00409). Five points of one data set hardly tell the floor
from the power, so no single curve is fitted: every curve counts as much as the points make it likely, and what is said
is the range of what they go on to. Such laws tend to promise too much (Mahmood et al. 2022, arXiv:2207.01725).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.intervals import LEVEL

POWERS = np.linspace(-0.5, 1.5, 41)
"""Powers c that count, equally. Networks trained whole have 0.07 to 0.35 (Hestness et al.); a linear head on features
that say all there is approaches its floor with 1. With fewer images than features errors may fall ever faster for a
while, which a power below 0 describes; without these the range missed what planted sets of 100 images and 200 features
then gave in 63 of 100 cases."""

STEPS = 201
"""Slopes that count, equally, from none to the steepest that ends at an error of 0."""

STEEPER = 2.0
"""How many times the steepest slope of power 1 counts: of higher powers, more than that has to fall."""

ROUGHNESS = 0.01
"""How far an error may lie off any power law, as a share of it: the law is an approximation."""

TELLING = 0.5
"""The points tell how the curve goes on if they narrow the range to at most this share of what the law alone allows."""


@dataclass(frozen=True)
class Outlook:
    """By how much an error falls from one number of images to another: its likeliest value and its 95 % range."""

    mean: float
    low: float
    high: float
    is_told: bool
    """Whether the points tell it, and not the form of the law alone."""


def foresee_fall(
    images: NDArray[np.float64],
    errors: NDArray[np.float64],
    covariance: NDArray[np.float64],
    start: float,
    end: float,
) -> Outlook:
    """Foresee by how much an error falls from `start` to `end` images, from points at rising numbers of images.

    Errors (S,) at images (S,) have the covariance (S, S). All curves count whose floor is 0 or more, weighed by their
    likelihood; a curve is given by its power and by its slope at the last point, over the logarithm of the images.
    """
    spread = covariance + np.diag((ROUGHNESS * errors) ** 2 + 1e-12)
    inverse = np.linalg.inv(spread)
    level_error = float(np.sqrt(1 / inverse.sum()))
    last = images[-1]
    steepest = max(float(errors[-1] + 2 * level_error), 1e-9) / float(_bend(np.array(1.0), np.array([end / last]))[0])
    slopes, powers = np.linspace(0, steepest * STEEPER, STEPS)[:, None], POWERS[None, :]
    rest = errors + slopes[..., None] * _bend(POWERS[:, None], images / last)
    level = rest @ inverse.sum(axis=0) / inverse.sum()
    off = rest - level[..., None]
    distance = np.einsum("xcs,st,xct->xc", off, inverse, off)
    # the floor of a power law, or where a curve without one ends, is no less than a perfect answer
    deepest = slopes * np.where(powers > 0, 1 / np.where(powers > 0, powers, 1.0), _bend(powers, np.array(end / last)))
    falls = slopes * (_bend(powers, np.array(end / last)) - _bend(powers, np.array(start / last)))
    likely = np.exp(-(distance - distance.min()) / 2) * _share_below((level - deepest) / level_error)
    found = _find_range(falls, likely)
    law = _find_range(falls, _share_below((errors[-1] - deepest) / level_error))
    is_told = found[2] - found[1] <= TELLING * (law[2] - law[1])
    return Outlook(*found, is_told)


def _bend(powers: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far a curve of slope 1 per e-fold at the last point falls from there to so many times its images."""
    safe = np.where(np.abs(powers) < 1e-9, 1.0, powers)
    return np.asarray(np.where(np.abs(powers) < 1e-9, np.log(times), (1 - times**-safe) / safe))


def _find_range(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float, float]:
    """Find mean, lower and upper end of the range that holds LEVEL of the weight."""
    order = np.argsort(values, axis=None)
    sorted_values, shares = values.ravel()[order], np.cumsum(weights.ravel()[order])
    shares /= shares[-1]
    low, high = (float(sorted_values[np.searchsorted(shares, at)]) for at in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(np.average(values, weights=weights)), low, high


def _share_below(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of a normal distribution below a value."""
    from scipy.special import ndtr

    return np.asarray(ndtr(value))

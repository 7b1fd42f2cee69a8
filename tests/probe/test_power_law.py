"""What a curve goes on to: a law that is known lies in the range, and where points tell nothing that is said."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.probe.power_law import foresee_fall

IMAGES = np.array([200.0, 400.0, 600.0, 800.0, 1_000.0])


def fall(floor: float, rest: float, power: float, noise: float) -> tuple[float, float, float, bool, float]:
    """Mean, low, high, whether told, and the truth, of doubling 1,250 images by a law."""

    def law(images: np.ndarray) -> np.ndarray:
        return floor + rest * (images / 1_000) ** -power

    found = foresee_fall(IMAGES, law(IMAGES), np.eye(5) * noise**2, 1_250, 2_500)
    truth = law(np.array([1_250.0, 2_500.0]))
    return found.mean, found.low, found.high, found.is_told, float(truth[0] - truth[1])


@pytest.mark.parametrize("floor", [0.02, 0.05, 0.2])  # a law without one is the very end of what can be
@pytest.mark.parametrize("power", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("noise", [1e-4, 3e-3, 1e-2])
def test_the_truth_of_a_law_lies_in_the_range(floor: float, power: float, noise: float) -> None:
    _, low, high, _, truth = fall(floor, 0.1, power, noise)
    assert low <= truth <= high


def test_the_more_exact_the_points_the_narrower_the_range() -> None:
    widths = [high - low for _, low, high, _, _ in (fall(0.05, 0.1, 0.5, noise) for noise in (1e-3, 1e-2, 1e-1))]
    assert widths == sorted(widths)


def test_points_without_noise_tell_and_points_that_are_all_noise_do_not() -> None:
    assert fall(0.05, 0.1, 0.5, 1e-3)[3]
    assert not fall(0.05, 0.1, 0.5, 0.2)[3]


def test_no_error_is_foreseen_below_none() -> None:
    found = foresee_fall(IMAGES, np.array([0.4, 0.3, 0.2, 0.1, 0.02]), np.eye(5) * 1e-4, 1_250, 2_500)
    assert found.high <= 0.1


def test_errors_that_do_not_fall_promise_next_to_nothing() -> None:
    found = foresee_fall(IMAGES, np.full(5, 0.2), np.eye(5) * 1e-6, 1_250, 2_500)
    assert found.high < 0.01


def test_a_perfect_curve_has_nothing_left_to_gain() -> None:
    found = foresee_fall(IMAGES, np.zeros(5), np.zeros((5, 5)), 1_250, 2_500)
    assert found.high < 1e-3

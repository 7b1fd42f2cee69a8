"""The shift's formula, on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.quality.divergence import SHIFT_IMAGES, measure_divergence, score_few, score_moments


def as_rows(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_the_statistics_of_imagenet_itself_score_nothing() -> None:
    assert measure_divergence(as_rows([0.0, 0.0]), as_rows([1.0, 1.0])).tolist() == [0, 0]


def test_a_channel_diverges_by_its_mean_and_its_variance() -> None:
    # ½ (v + m² − 1 − ln v): a mean of 2, a variance of e, a variance of 1/e
    found = measure_divergence(as_rows([2.0, 0.0, 0.0]), as_rows([1.0, np.e, 1 / np.e]))
    assert found == pytest.approx([2.0, (np.e - 2) / 2, 1 / (2 * np.e)], abs=1e-6)


def test_the_variance_is_pooled_over_positions_and_images() -> None:
    # Within each image 0.75, between their means ±0.5 another 0.25: 1 together, and the mean of all is 0.
    assert measure_divergence(as_rows([0.5], [-0.5]), as_rows([0.75], [0.75])) == pytest.approx([0], abs=1e-7)


def test_a_channel_that_is_constant_counts_much_but_not_without_end() -> None:
    assert measure_divergence(as_rows([0.0]), as_rows([0.0])) == pytest.approx([0.5 * (12 * np.log(10) - 1)])


def test_every_norm_counts_the_same_however_many_channels_it_has() -> None:
    moments = {
        "mean_0": as_rows([2.0]),
        "variance_0": as_rows([1.0]),
        "mean_1": as_rows([0.0, 0.0, 0.0]),
        "variance_1": as_rows([1.0, 1.0, 1.0]),
    }
    assert score_moments(moments) == pytest.approx(1.0)


def draw_moments(images: int, seed: int) -> dict[str, np.ndarray]:
    """Moments of images that differ in their means alone, drawn so that very many of them would score 0."""
    generator = np.random.default_rng(seed)
    means = generator.normal(0, 0.7, (images, 400)).astype(np.float32)
    return {"mean_0": means, "variance_0": np.full_like(means, 1 - 0.7**2)}


@pytest.mark.parametrize("images", [4, 8, 16, 32])
def test_what_few_images_add_to_the_score_is_taken_off(images: int) -> None:
    many = score_moments(draw_moments(SHIFT_IMAGES, 0))
    few = [draw_moments(images, seed) for seed in range(5)]
    plain, corrected = (np.mean([score(one) for one in few]) for score in (score_moments, score_few))
    assert abs(corrected - many) < abs(plain - many) / 3


def test_many_images_are_not_corrected() -> None:
    moments = draw_moments(SHIFT_IMAGES, 1)
    assert score_few(moments) == score_moments(moments)

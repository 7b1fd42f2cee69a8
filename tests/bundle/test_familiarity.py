"""Images unlike those of the training lie farther from them than those do from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightx_cli.bundle.familiarity import FamiliarImages, read_vectors, scale_features, write_vectors


def draw(images: int, places: slice, seed: int = 0) -> np.ndarray:
    features = np.abs(np.random.default_rng(seed).normal(size=(images, 16))).astype(np.float32) * 0.1
    features[:, places] += 1
    return features


def test_others_lie_farther_away_than_more_of_the_same() -> None:
    known = FamiliarImages(scale_features(draw(50, slice(0, 8))), 3)
    assert known.measure(draw(40, slice(0, 8), 1)).max() < known.measure(draw(40, slice(6, 14), 2)).min()


def test_the_length_of_features_does_not_count() -> None:
    known, new = FamiliarImages(scale_features(draw(50, slice(0, 8))), 3), draw(5, slice(4, 12), 1)
    np.testing.assert_allclose(known.measure(new), known.measure(new * 1000), rtol=1e-3)


def test_features_of_zeros_are_no_error() -> None:
    known = FamiliarImages(scale_features(draw(50, slice(0, 8))), 3)
    assert np.isfinite(known.measure(np.zeros((2, 16), np.float32))).all()


def test_vectors_come_back_nearly_as_they_were_and_anything_else_is_refused(tmp_path: Path) -> None:
    vectors = scale_features(draw(50, slice(0, 8)))
    write_vectors(tmp_path / "familiar.safetensors", vectors)
    np.testing.assert_allclose(read_vectors(tmp_path / "familiar.safetensors"), vectors, atol=1e-3)
    assert (tmp_path / "familiar.safetensors").stat().st_size < 2 * vectors.size + 200
    for bad in (b"", b"abc", (tmp_path / "familiar.safetensors").read_bytes()[:-7]):
        (tmp_path / "bad.safetensors").write_bytes(bad)
        with pytest.raises(ValueError, match="no vectors"):
            read_vectors(tmp_path / "bad.safetensors")

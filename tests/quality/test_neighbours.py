from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sightx_cli.quality import neighbours as module
from sightx_cli.quality.neighbours import find_neighbours, reduce_features
from sightx_cli.quality.outliers import find_outliers


def draw_rows(count: int, width: int = 24, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_neighbours_are_the_nearest_others_in_order() -> None:
    rows = draw_rows(300)
    found = find_neighbours(rows, 5)
    similar = rows @ rows.T
    np.fill_diagonal(similar, -2)
    assert found.places.tolist() == np.argsort(-similar, axis=1)[:, :5].tolist()
    assert np.allclose(found.similarities, np.sort(similar, axis=1)[:, :-6:-1], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images_have_as_many_neighbours_as_there_are_others(count: int) -> None:
    found = find_neighbours(draw_rows(count), 5)
    assert found.places.shape == (count, count - 1)
    assert all(place not in row for place, row in enumerate(found.places.tolist()))


def test_queries_find_rows_but_never_that_of_their_own_place() -> None:
    rows = draw_rows(50)
    queries = rows[::-1].copy()  # query i is row 49 - i
    found = find_neighbours(rows, 1, queries)
    assert found.places[:, 0].tolist() == [49 - place for place in range(50)]
    itself = find_neighbours(rows, 1, rows.copy())
    assert not (itself.places[:, 0] == np.arange(50)).any()


def test_among_many_the_search_in_cells_finds_near_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT_IMAGES", 500)
    rows = draw_rows(3000, 64)
    rows[1500:] = rows[:1500] + 0.05 * draw_rows(1500, 64, seed=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = find_neighbours(rows, 3)
    nearest = np.concatenate([np.arange(1500, 3000), np.arange(1500)])
    assert (found.places[:, 0] == nearest).mean() > 0.99


def test_cells_compare_far_fewer_pairs_than_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    compare = module._Best.compare

    def count(self: module._Best, queries: NDArray[np.int64], members: NDArray[np.int64]) -> None:
        compared.append(len(queries) * len(members))
        compare(self, queries, members)

    monkeypatch.setattr(module._Best, "compare", count)
    monkeypatch.setattr(module, "EXACT_IMAGES", 500)
    pairs = []
    for images in (2000, 8000):
        compared.clear()
        find_neighbours(draw_rows(images), 3)
        pairs.append(sum(compared))
    assert pairs[1] < 16 * pairs[0] * 0.7
    assert pairs[1] < 8000**2 / 8


def test_features_are_reduced_to_directions_that_keep_their_cosines() -> None:
    generator = np.random.default_rng(0)
    features = (generator.normal(size=(60, 400)) + 5).astype(np.float32)
    reduced = reduce_features(features)
    centred = features - features.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert reduced.shape == (60, 60)
    assert np.allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-5)
    assert np.allclose(reduced @ reduced.T, centred @ centred.T, atol=0.02)


def test_one_stranger_and_nine_alike_are_far_from_all_others() -> None:
    own = draw_rows(1, 32) + 0.2 * draw_rows(200, 32, seed=1)
    for count in (1, 9):
        strangers = draw_rows(1, 32, seed=5) + 0.1 * draw_rows(count, 32, seed=6)
        rows = reduce_features(np.concatenate([own, strangers]).astype(np.float32), about_mean=False)
        found = find_outliers(find_neighbours(rows, 10))
        assert sorted(place for place, _ in found) == list(range(200, 200 + count))


def test_in_few_images_nothing_is_far() -> None:
    rows = np.concatenate([np.tile(draw_rows(1), (28, 1)), draw_rows(1, seed=3)])
    assert find_outliers(find_neighbours(rows, 10)) == []

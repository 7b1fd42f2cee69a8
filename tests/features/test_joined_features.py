"""A fit of networks side by side finds what was cached of each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from sightx_cli.data.readers import AS_IS
from sightx_cli.engine.choice import choose_engine
from sightx_cli.features import joined_features
from sightx_cli.features.plain import extract_plain_features
from sightx_cli.features.prefix import FrozenPrefix
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.model.classifier import build_backbone, build_classifier
from sightx_cli.model.parameter_groups import find_cuts
from sightx_cli.progress import Silent
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.overrides import apply_overrides
from sightx_cli.recipe.recipe import Recipe, parse_recipe

PAIR = "test_resnet+test_efficientnet"
"""Five stages and six, and two normalisations."""
HEAD, LAST = '[{train="head",epochs=1,rate=1e-3}]', '[{train="last:2",epochs=1,rate=1e-3}]'
SIZE_PX = 32


@pytest.fixture(autouse=True)
def folder_of_weights(random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights of both networks, each where a fit looks for its own."""
    for name in PAIR.split("+"):
        save_file(load_file(random_weights(name)), tmp_path / f"{name}.safetensors")
    monkeypatch.setenv("SIGHTX_WEIGHTS", str(tmp_path))


def list_images(digits: Path, count: int) -> tuple[list[str], list[str]]:
    """Some files, and something in the place of their digests."""
    return [str(path) for path in sorted(digits.rglob("*.png"))[:count]], [f"{place:064x}" for place in range(count)]


def change(backbone: str, taps: str, stages: str) -> Recipe:
    _, path = find_recipe("natural-small")
    given = (f"model.backbone={backbone}", f"model.head.taps={taps}", f"image.size_px={SIZE_PX}", f"stage={stages}")
    return parse_recipe(apply_overrides(load_table(path), given), "a test", ())


def open_prefix(recipe: Recipe, store: FeatureStore) -> FrozenPrefix:
    backbone, weights = build_backbone(recipe)
    cuts = find_cuts(backbone, build_classifier(backbone, recipe, 3)[1], recipe)  # type: ignore[arg-type]
    engine = choose_engine("torch", "cpu")
    return FrozenPrefix(recipe.model.backbone, backbone, weights, cuts, SIZE_PX, store, engine, Silent())


@pytest.mark.parametrize("stages", [HEAD, LAST], ids=["head", "last:2"])
@pytest.mark.parametrize("taps", ["last", pytest.param("last:3", marks=pytest.mark.slow), "all"])
def test_what_was_cached_of_each_network_serves_both_and_is_what_both_give(
    digits: Path, tmp_path: Path, stages: str, taps: str
) -> None:
    paths, digests = list_images(digits, 9)
    store, view = FeatureStore(tmp_path / "store"), View(SIZE_PX, "crop", None, 0, 0, AS_IS)
    for name in PAIR.split("+"):
        recipe = change(name, "all", stages)
        extract_plain_features(recipe, None, paths[:6], digests[:6], store, Silent(), device="cpu", engine="torch")
    frozen = open_prefix(change(PAIR, taps, stages), store)
    lookup = frozen.find(paths, digests, view)
    assert list(lookup.missing) == digests[6:]
    joined = frozen.extract(lookup, view, "joining")
    alone = open_prefix(change(PAIR, taps, stages), FeatureStore(tmp_path / "other"))
    computed = alone.extract(alone.find(paths, digests, view), view, "computing")
    assert joined.columns == computed.columns
    for name in computed.columns:
        np.testing.assert_allclose(
            joined.take(name).astype(np.float32), computed.take(name).astype(np.float32), rtol=2e-3, atol=2e-3
        )


def test_what_is_too_much_to_be_held_is_computed(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_features, "MOST_BYTES", 1000)
    paths, digests = list_images(digits, 3)
    store, view = FeatureStore(tmp_path / "store"), View(SIZE_PX, "crop", None, 0, 0, AS_IS)
    for name in PAIR.split("+"):
        recipe = change(name, "all", HEAD)
        extract_plain_features(recipe, None, paths, digests, store, Silent(), device="cpu", engine="torch")
    assert len(open_prefix(change(PAIR, "all", HEAD), store).find(paths, digests, view).missing) == 3

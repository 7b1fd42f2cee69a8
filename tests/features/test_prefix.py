"""The frozen prefix of a fit: computed once, found again, and done without when it cannot be kept."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.features.embedding import embed_images
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.settings import TAPS, change_setting
from sightx_cli.train.stage_runs import run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]


@contextmanager
def full_disk(largest_file: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def cold_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own, empty."""
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_the_second_fit_computes_nothing(open_session: Open, cold_store: Path) -> None:
    assert [open_session()[1].kept.computed for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "stage",
    ['stage=[{train="head",epochs=1,rate=1e-3}]', 'stage=[{train="last:2",epochs=1,rate=1e-3}]'],
    ids=["head", "last:2"],
)
@pytest.mark.parametrize("taps", ["last", "last:2"])
def test_what_was_read_with_all_taps_serves_a_head_with_fewer(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, taps: str
) -> None:
    def read(*settings: str) -> Session:
        return open_session(stage, "training.views=1", *settings)[1]

    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "own"))
    own = read(f'model.head.taps="{taps}"')
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "shared"))
    wide = read('model.head.taps="all"')
    shared = read(f'model.head.taps="{taps}"')
    assert [one.kept.computed for one in (own, wide, shared)] == [True, True, False]
    rows = np.arange(len(own.train))
    names = {name for cut in own.kept.cuts for name in own.kept.names_at(cut, len(own.backbone.stages))} | {"features"}
    for name in names:
        taken = shared.kept.train_views[0].take(name, rows)
        np.testing.assert_array_equal(taken, own.kept.train_views[0].take(name, rows))
    assert wide.kept.train_views[0].take("features", rows).shape[1] > taken.shape[1]


def test_a_wider_reading_of_some_images_leaves_only_the_others_to_compute(
    open_session: Open, random_weights: Callable[[str], Path], cold_store: Path
) -> None:
    preparation, whole = open_session("training.views=1")
    shutil.rmtree(cold_store)
    some = slice(0, 20)
    paths, digests = whole.train.paths[some], whole.train.digests[some]
    recipe = change_setting(preparation.recipe, TAPS, "all")
    embed_images(recipe, WeightsFile(random_weights("test_resnet")), paths, digests, Silent(), engine="torch")
    assert open_session("training.views=1")[1].kept.computed
    kept = [json.loads(file.read_text())["digests"] for file in cold_store.glob("outputs/*/*/*/shard.json")]
    assert sorted(digest for shard in kept for digest in shard) == sorted([*whole.train.digests, *whole.valid.digests])


def test_another_seed_shares_the_plain_view_and_computes_its_own_augmented_one(
    open_session: Open, cold_store: Path
) -> None:
    open_session("training.views=1", seed=0)
    first = len(list(cold_store.glob("outputs/*/*")))
    open_session("training.views=2", seed=0)
    assert len(list(cold_store.glob("outputs/*/*"))) == first + 1


def test_nothing_frozen_keeps_nothing(open_session: Open, cold_store: Path) -> None:
    _, session = open_session('stage=[{train="all",epochs=1,rate=1e-3}]')
    assert session.kept is None
    assert not list(cold_store.glob("outputs/*"))


def test_a_deeper_stage_keeps_its_cut_beside_the_features(open_session: Open) -> None:
    stages = 'stage=[{train="head",epochs=1,rate=1e-3},{train="last:2",epochs=1,rate=1e-3}]'
    _, session = open_session(stages)
    assert session.kept.cuts == (3, 5)
    assert session.kept.names_at(3, 5) == ("map_3",)
    assert open_session(stages, 'model.head.taps="all"')[1].kept.names_at(3, 5) == ("map_3", "taps_3")


def test_outputs_beyond_the_budget_are_computed_anew_each_epoch_after_one_line(
    open_session: Open, cold_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE_BYTES", "1000")
    heard = Recorder()
    preparation, session = open_session("stage.0.epochs=1", listener=heard)
    assert session.kept is None
    assert len(heard.warnings) == 1
    assert "SIGHTX_CACHE" in heard.warnings[0]
    run_stage(session, preparation.recipe.stage[0])
    assert len(session.history) == 1


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_on_a_full_disk_nothing_is_kept_and_training_goes_on_after_one_line(
    open_session: Open, cold_store: Path, engine: str
) -> None:
    heard = Recorder()
    with full_disk(2_000):
        preparation, session = open_session("model.head.hidden=[8]", "stage.0.epochs=1", listener=heard, engine=engine)
        run_stage(session, preparation.recipe.stage[0])
    assert len(heard.warnings) == 1
    assert "cannot be kept" in heard.warnings[0]
    assert [path for path in cold_store.rglob("*") if path.is_file()] == []


def test_a_network_that_cannot_be_cut_says_so_and_keeps_its_frozen_whole(open_session: Open) -> None:
    heard = Recorder()
    _, session = open_session(backbone="test_byobnet", listener=heard)
    assert any("cannot be cut" in note for note in heard.notes)
    assert session.kept.cuts == (len(session.backbone.stages),)
    assert heard.warnings == []


def test_taps_of_a_network_that_cannot_be_cut_are_said_to_be_its_last_output(open_session: Open) -> None:
    heard = Recorder()
    open_session('model.head.taps="all"', backbone="test_byobnet", listener=heard)
    assert ["has no stages to tap" in line for line in heard.warnings] == [True]


def test_a_network_that_cannot_be_cut_trains_its_last_stage_on_images(open_session: Open) -> None:
    preparation, session = open_session('stage=[{train="last:1",epochs=1,rate=1e-3}]', backbone="test_byobnet")
    assert session.kept is None
    run_stage(session, preparation.recipe.stage[0])
    assert len(session.history) == 1

"""The frozen prefix of a fit: computed once, found again, and done without when it cannot be cached."""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.features import aside
from sightx_cli.features.plain import extract_plain_features
from sightx_cli.features.store import FeatureStore
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.settings import TAPS, change_setting
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]


@contextmanager
def full_disk(largest_file: int) -> Iterator[None]:
    """Let no file grow beyond this many bytes, as on a full disk."""
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


@pytest.mark.usefixtures("exact_only")
def test_a_wider_look_at_some_images_leaves_only_the_others_to_compute(
    open_session: Open, random_weights: Callable[[str], Path], cold_store: Path
) -> None:
    preparation, whole = open_session("training.views=1")
    shutil.rmtree(cold_store)
    some = slice(0, 20)
    paths, digests = whole.train.paths[some], whole.train.digests[some]
    recipe = change_setting(preparation.recipe, TAPS, "all")
    weights = WeightsFile(random_weights("test_resnet"))
    extract_plain_features(recipe, weights, paths, digests, FeatureStore(), Silent(), engine="torch")
    assert open_session("training.views=1")[1].kept.computed
    kept = [json.loads(file.read_text())["digests"] for file in cold_store.glob("outputs/*/*/*/shard.json")]
    assert sorted(digest for shard in kept for digest in shard) == sorted([*whole.train.digests, *whole.valid.digests])


@pytest.mark.usefixtures("exact_only")
def test_after_an_exact_look_at_all_images_a_fit_computes_nothing_whatever_it_measures_on(
    open_session: Open, random_weights: Callable[[str], Path], cold_store: Path
) -> None:
    preparation, whole = open_session("training.views=1")
    shutil.rmtree(cold_store)
    samples = (whole.train, whole.valid)
    paths, digests = ([*samples[0].paths, *samples[1].paths], [*samples[0].digests, *samples[1].digests])
    weights = WeightsFile(random_weights("test_resnet"))
    how: dict[str, Any] = {"engine": "torch", "dtype": "float32"}
    extract_plain_features(preparation.recipe, weights, paths, digests, FeatureStore(), Silent(), **how)
    _, session = open_session("training.views=1")
    assert not session.kept.computed
    pairs = [(whole.kept.valid, session.kept.valid), (whole.kept.train_views[0], session.kept.train_views[0])]
    for before, after in pairs:
        np.testing.assert_allclose(after.take(), before.take(), rtol=2e-3, atol=1e-6)


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


def train_and_predict(open_session: Open, heard: Recorder, **how: Any) -> tuple[Any, dict[str, Any]]:
    """Train the last stages and the head for an epoch; return all that was opened, and what to compare."""
    stage = 'stage=[{train="last:2",epochs=1,rate=1e-3}]'
    preparation, session = open_session(stage, "training.views=2", listener=heard, **how)
    solve_head(session)
    run_stage(session, preparation.recipe.stage[0])
    weights = {name: value.numpy().copy() for name, value in session.model.state_dict().items()}
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in session.history]
    return (preparation, session), {"weights": weights, "history": rows, "best": session.best.probabilities}


def put_a_file_in_its_place(folder: Path) -> None:
    folder.write_text("no folder")


def fill_the_disk(folder: Path) -> None:
    folder.mkdir()


@pytest.mark.slow
@pytest.mark.usefixtures("exact_only")
@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize(
    ("harm", "largest_file", "reason"),
    [
        (put_a_file_in_its_place, resource.RLIM_INFINITY, os.strerror(errno.EEXIST)),
        (fill_the_disk, 2_000, os.strerror(errno.EFBIG)),
    ],
    ids=["a file in its place", "full"],
)
def test_a_store_that_cannot_be_written_is_one_warning_with_the_reason_and_the_same_model(
    open_session: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    harm: Callable[[Path], None],
    largest_file: int,
    reason: str,
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "sound"))
    heard, troubled = Recorder(), Recorder()
    _, expected = train_and_predict(open_session, heard, engine=engine)
    assert heard.warnings == []
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "harmed"))
    harm(tmp_path / "harmed")
    with full_disk(largest_file):
        (_, session), found = train_and_predict(open_session, troubled, engine=engine)
    [line] = troubled.warnings
    assert f"{tmp_path / 'harmed'} cannot be written ({reason})" in line
    assert "--no-cache" in line
    np.testing.assert_equal(found, expected)
    assert session.kept.computed
    assert [path for path in (tmp_path / "harmed").rglob("*") if path.is_file()] == []


def test_where_memory_is_short_features_lie_in_a_temporary_folder_that_goes_with_the_session(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "sound"))
    _, expected = train_and_predict(open_session, Recorder())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(aside, "SHARE_OF_FREE_MEMORY", 0)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "harmed"))
    put_a_file_in_its_place(tmp_path / "harmed")
    heard = Recorder()
    opened, found = train_and_predict(open_session, heard)
    assert len(heard.warnings) == 1
    np.testing.assert_equal(found, expected)
    assert list((tmp_path / "temporary").glob("sightx-*/*/*/*/shard.json"))
    del opened
    gc.collect()
    assert list((tmp_path / "temporary").glob("sightx-*")) == []


def test_features_without_room_are_recomputed_each_epoch_after_one_line(
    open_session: Open, cold_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE_BYTES", "1000")
    monkeypatch.setattr(aside, "SHARE_OF_FREE_MEMORY", 0)
    heard = Recorder()
    preparation, session = open_session("stage.0.epochs=1", listener=heard)
    assert session.kept is None
    assert len(heard.warnings) == 1
    assert "recomputed each epoch (SIGHTX_CACHE" in heard.warnings[0]
    run_stage(session, preparation.recipe.stage[0])
    assert len(session.history) == 1


@pytest.mark.usefixtures("exact_only")
def test_features_beyond_the_budget_are_held_in_memory_after_one_line(
    open_session: Open, cold_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE_BYTES", "1000")
    heard = Recorder()
    _, session = open_session("stage.0.epochs=1", listener=heard)
    assert session.kept.computed
    [line] = heard.warnings
    assert "held for this run only (SIGHTX_CACHE" in line
    assert [path for path in cold_store.rglob("*") if path.is_file()] == []


def test_without_a_cache_nothing_is_written_anywhere(open_session: Open, tmp_path: Path, cold_store: Path) -> None:
    (tmp_path / "temporary").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        _, session = open_session("stage.0.epochs=1", cache=False, recipe="auto")
    assert (session.kept, session.features.computed) == (None, True)
    assert not cold_store.exists()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_valid_part_is_cached_exactly_and_the_train_part_in_half_precision(open_session: Open) -> None:
    _, session = open_session()
    assert session.kept.valid.take().dtype == np.float32
    assert session.kept.train_views[0].take().dtype == np.float16


def test_a_network_that_cannot_be_cut_says_so_and_keeps_its_frozen_whole(open_session: Open) -> None:
    heard = Recorder()
    _, session = open_session(backbone="coat_tiny", listener=heard)
    assert any("cannot be cut" in note for note in heard.notes)
    assert session.kept.cuts == (len(session.backbone.stages),)
    assert heard.warnings == []


def test_taps_of_a_network_that_cannot_be_cut_are_said_to_be_its_last_output(open_session: Open) -> None:
    heard = Recorder()
    open_session('model.head.taps="all"', backbone="coat_tiny", listener=heard)
    assert ["has no stages to tap" in line for line in heard.warnings] == [True]


def test_a_network_that_cannot_be_cut_trains_its_last_stage_on_images(open_session: Open) -> None:
    preparation, session = open_session('stage=[{train="last:1",epochs=1,rate=1e-3}]', backbone="coat_tiny")
    assert session.kept is None
    run_stage(session, preparation.recipe.stage[0])
    assert len(session.history) == 1

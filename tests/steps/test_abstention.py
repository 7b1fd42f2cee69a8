"""What tells unfamiliar images is fitted on layers as they were pretrained; where there are none, that is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.bundle.facts import load_facts
from sightx_cli.bundle.familiarity import read_vectors
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.progress import Recorder, Silent
from sightx_cli.steps.abstention import FEWEST_UNITS, count_frozen_stages, measure_limit
from sightx_cli.steps.calibration import settle_decisions
from sightx_cli.steps.evaluation import write_bundle
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import run_stage

Open = Callable[..., tuple[Any, Any]]


def finish(opened: tuple[Any, Any], run: Path, listener: Any = None, trains: bool = True) -> Any:
    """Train the first stage, keep it as the best, and write the bundle; returns the session."""
    preparation, session = opened
    solve_head(session)
    if trains:
        session.best.figures = {}
        run_stage(session, preparation.recipe.stage[0])
    settled = settle_decisions(preparation, session, None, listener or Silent())
    session.task = settled.task
    write_bundle(preparation, session, run / "bundle", listener or Silent(), settled)
    return session


@pytest.mark.parametrize(
    ("trains", "cache"), [("head", True), ("last:2", True), ("last:2", False)], ids=["head", "tuned", "not cached"]
)
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_training_images_are_as_near_as_the_bundle_measures_them(
    open_session: Open, digits: Path, tmp_path: Path, trains: str, cache: bool, engine: str
) -> None:
    setting = f'stage=[{{train="{trains}",epochs=1,rate=1e-3}}]'
    session = finish(open_session(setting, engine=engine, cache=cache), tmp_path / "run")
    facts = load_facts(tmp_path / "run").familiarity
    assert facts is not None
    assert facts.stages == len(session.backbone.stages) - (2 if trains == "last:2" else 0)
    items = list(zip(session.train.paths, session.train.paths, strict=True))
    nearest = [one.distance for one in load_predictor(tmp_path / "run").predict(items)]
    assert max(nearest) <= facts.limit  # each is compared with itself too
    vectors = read_vectors(tmp_path / "run" / "bundle" / "familiar.safetensors")
    assert len(vectors) == facts.vectors == len(session.train)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)


def test_noise_is_unfamiliar_to_a_model_of_digits(
    open_session: Open, write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    finish(open_session(engine="openvino", backbone="tf_efficientnet_lite0"), tmp_path / "run", trains=False)
    photos = [str(write_photo(tmp_path / f"{seed}.png", seed)) for seed in range(8)]
    found = load_predictor(tmp_path / "run").predict((photo, photo) for photo in photos)
    assert [one.status for one in found] == ["unfamiliar"] * 8


def test_where_every_layer_is_trained_it_is_said_that_no_image_is_called_unfamiliar(
    open_session: Open, tmp_path: Path
) -> None:
    heard = Recorder()
    session = finish(open_session('stage=[{train="all",epochs=1,rate=1e-3}]'), tmp_path / "run", heard)
    assert count_frozen_stages(session) == 0
    assert load_facts(tmp_path / "run").familiarity is None
    assert not (tmp_path / "run" / "bundle" / "familiar.safetensors").exists()
    assert [notice.kind for notice in heard.notices if "unfamiliar" in notice.text] == ["no-familiarity"]


def test_the_limit_is_what_all_but_two_of_a_hundred_keep_with_their_group_left_out() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alone = measure_limit(vectors, [""] * 300)
    doubled = np.concatenate([vectors, vectors])
    together = measure_limit(doubled, [str(place) for place in range(300)] * 2)
    assert alone is not None
    assert together is not None
    assert together == pytest.approx(alone, rel=0.1)  # copies in one group do not count as neighbours
    assert measure_limit(doubled, [""] * 600) < alone


def test_few_groups_tell_nothing() -> None:
    vectors = np.eye(FEWEST_UNITS, dtype=np.float32)
    assert measure_limit(vectors, ["one group"] * len(vectors)) is None
    assert measure_limit(vectors[1:], [""] * (len(vectors) - 1)) is None
    assert measure_limit(vectors, [""] * len(vectors)) == pytest.approx(2**0.5, abs=1e-5)

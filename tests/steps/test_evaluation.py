"""What the best epoch was starred for is what the finished model gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.progress import Silent
from sightx_cli.steps.evaluation import measure_part, predict_rows, write_bundle
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import run_stage

Open = Callable[..., tuple[Any, Any]]


@pytest.mark.parametrize("trains", ["head", "last:2"])
def test_the_finished_model_gives_the_best_epochs_probabilities_to_1e_5(
    open_session: Open, tmp_path: Path, trains: str
) -> None:
    preparation, session = open_session(f'stage=[{{train="{trains}",epochs=2,rate=1e-3}}]', engine="openvino")
    solve_head(session)
    run_stage(session, preparation.recipe.stage[0])
    write_bundle(preparation, session, tmp_path / "run" / "bundle", Silent())
    found = predict_rows(load_predictor(tmp_path / "run"), preparation.part("valid"), "predicting", Silent())
    np.testing.assert_allclose(found, session.best.probabilities, atol=1e-5)


@pytest.mark.parametrize(("groups", "by"), [(["p1", "p1", "p2", "p2"] * 5, "groups"), ([""] * 20, "images")])
def test_the_intervals_of_a_part_say_what_they_resample(groups: list[str], by: str) -> None:
    digests = [str(place) for place in range(20)]
    part = pd.DataFrame({"label": ["a", "b"] * 10, "group": groups, "digest": digests})
    probabilities = np.full((20, 2), 0.5, np.float32) + np.linspace(-0.4, 0.4, 20, dtype=np.float32)[:, None] * [1, -1]
    found = measure_part(SingleLabel(("a", "b")), part, probabilities, 20)
    assert found.to_json()["intervals_by"] == by

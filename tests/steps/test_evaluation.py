"""What the best epoch was starred for is what the finished model gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.progress import Silent
from sightx_cli.steps.evaluation import predict_rows, write_bundle
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

"""MLflow's own client finds in the local database what the run's files say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sightx_cli import fit


def test_epochs_parameters_final_figures_and_pictures_are_in_the_database(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="make install leaves mlflow out, which brings a hundred packages")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    result = fit(
        digits,
        recipe="natural-small",
        backbone="test_resnet",
        weights=random_weights("test_resnet"),
        engine="torch",
        folds=0,
        settings=("image.size_px=32", "stage.0.epochs=2"),
        track="mlflow",
    )
    assert not {name for name in os.environ.keys() ^ before.keys() if "MLFLOW" in name}
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sightx")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", result.run.name)
    assert run.data.tags["sightx.run"] == str(result.run)
    assert run.data.params["model.backbone"] == "test_resnet"
    accuracy = json.loads((result.run / "metrics.json").read_text())["valid"]["metrics"]["accuracy"]
    assert run.data.metrics["valid/accuracy"] == pytest.approx(accuracy)
    kept = client.get_metric_history(run.info.run_id, "epoch/valid_loss")
    history = pd.read_csv(result.run / "history.csv")["valid_loss"].tolist()
    assert [one.value for one in sorted(kept, key=lambda one: one.step)] == pytest.approx(history)
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"confusion.png", "training.png"}

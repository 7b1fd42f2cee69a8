"""TensorBoard's own reader finds in a run's folder what the run's files say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sightx_cli import fit
from sightx_cli.progress import Recorder


class Stopped(BaseException):
    """What ends a fit in the tests: nothing catches it."""


class StopAfter(Recorder):
    """Stops a fit after this many rows of its history."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.left = rows

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


@pytest.fixture
def how(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A short fit that is tracked."""
    monkeypatch.chdir(tmp_path)
    weights = random_weights("test_resnet")
    asked = {"source": digits, "recipe": "natural-small", "backbone": "test_resnet", "weights": weights, "folds": 0}
    settings = ["image.size_px=32", "stage.0.epochs=3", "stage.0.rate=1e-2"]
    return {**asked, "engine": "torch", "settings": settings, "track": "tensorboard", "full": True}


def read_events(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    return found


def check_epochs(run: Path) -> None:
    history = pd.read_csv(run / "history.csv")
    for name in ("valid_loss", "accuracy"):
        events = read_events(run).Scalars(f"epoch/{name}")
        assert [one.step for one in events] == list(range(len(history)))
        assert [one.value for one in events] == pytest.approx(history[name].tolist(), rel=1e-5)


@pytest.mark.slow
def test_epochs_final_figures_pictures_and_the_plan_are_there(how: dict[str, Any]) -> None:
    run = fit(**how).run
    check_epochs(run)
    events = read_events(run)
    metrics = json.loads((run / "metrics.json").read_text())["valid"]["metrics"]
    assert events.Scalars("valid/accuracy")[0].value == pytest.approx(metrics["accuracy"])
    assert set(events.Tags()["images"]) == {"training", "confusion"}
    assert b"| model.backbone | test_resnet |" in events.Tensors("plan/text_summary")[0].tensor_proto.string_val[0]


@pytest.mark.slow
def test_a_run_that_takes_the_place_of_another_keeps_its_events(how: dict[str, Any]) -> None:
    fit(**how, out=Path("run"))
    heard = Recorder()
    run = fit(**how, out=Path("run"), overwrite=True, seed=1, listener=heard).run
    check_epochs(run)
    assert not [line for line in heard.warnings if "--track" in line]


@pytest.mark.slow
def test_a_fit_that_goes_on_has_every_epoch_once(how: dict[str, Any]) -> None:
    with pytest.raises(Stopped):
        fit(**how, out=Path("run"), listener=StopAfter(2))
    check_epochs(fit(resume=Path("run")).run)

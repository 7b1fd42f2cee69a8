"""A fit that was stopped anywhere goes on to what it would have been, or says in one line why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sightx_cli import fit, runs
from sightx_cli.progress import Recorder

HEAD_AND_MORE = 'stage=[{train="head",epochs=2,rate=1e-2},{train="last:1",epochs=2,rate=1e-3}]'
JOINING = (
    'stage=[{train="head",epochs=3,rate=1e-2,join=[{after=1,train="last:1",rate=1e-3},'
    '{after=2,train="last:2",rate=1e-3}]},{train="last:2",epochs=1,rate=1e-3}]'
)
ALL = 'stage=[{train="all",epochs=2,rate=1e-3},{train="last:2",epochs=1,rate=1e-3}]'
IDLE = 'stage=[{train="head",epochs=4,rate=1e-12},{train="last:1",epochs=1,rate=1e-3}]'
SAME = ("recipe.toml", "plan.json", "fingerprint.json", "split.csv", "metrics.json", "bundle/weights.safetensors")


class Stopped(BaseException):
    """What ends a fit in the tests: nothing catches it."""


class StopAfter(Recorder):
    """Stops a fit once this many rows of its history are in the journal."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.seen = rows, 0

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        self.seen += 1
        if self.seen > self.rows:
            raise Stopped


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def how(digits: Path, random_weights: Callable[[str], Path]) -> dict[str, Any]:
    """A fit of the digits by a small network of random weights, which reads and converts little."""
    return {
        "source": digits,
        "recipe": "natural-small",
        "backbone": "test_resnet",
        "weights": random_weights("test_resnet"),
        "engine": "torch",
        "settings": ["image.size_px=32", HEAD_AND_MORE],
    }


def stop(rows: int, listener: StopAfter | None = None, **how: Any) -> Path:
    """Begin a fit, or go on with one, that stops when this many rows are kept; gives its folder."""
    with pytest.raises(Stopped):
        fit(listener=listener or StopAfter(rows), **how)
    return how["resume"] if "resume" in how else next(one for one in runs.list_runs() if runs.is_unfinished(one))


def read_run(folder: Path) -> dict[str, Any]:
    """All of a run that a second run of the same must have too: no seconds, and nothing of the machine."""
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in SAME}
    return found | {"history": pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv()}


def find_differences(one: Path, other: Path) -> list[str]:
    first, second = read_run(one), read_run(other)
    return [name for name, content in first.items() if content != second[name]]


KINDS: dict[str, dict[str, Any]] = {
    "head, then a stage": {},
    "groups that join": {"settings": [JOINING]},
    "patience": {"settings": [IDLE, "training.early_stop=2"]},
    "no cache": {"cache": False},
    "all, on images": {"settings": [ALL, "training.batch=16"]},
    "sgd, clip": {"settings": [HEAD_AND_MORE, 'training.optimizer="sgd"', "training.clip=0.5"]},
    "hidden layer, dropout": {"settings": [HEAD_AND_MORE, "model.head.hidden=[8]", "model.head.dropout=0.5"]},
    "rate auto": {"rate": "auto"},
    "scratch": {
        "settings": ['stage=[{train="scratch",epochs=3,rate=1e-3}]', 'model.weights="scratch"'],
        "weights": None,
    },
    "folds": {"folds": 3},
    "flat, smoothing": {"settings": [HEAD_AND_MORE, 'training.schedule="flat"', "training.label_smoothing=0.1"]},
    "cosine": {"settings": [HEAD_AND_MORE, 'training.schedule="cosine"', "training.warmup_epochs=1"]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_is_stopped_after_each_epoch_becomes_the_run_that_it_would_have_been(
    how: dict[str, Any], kind: str
) -> None:
    how |= KINDS[kind]
    how["settings"] = ["image.size_px=32", 'training.metric="loss"', *how["settings"]]
    whole = fit(**how).run
    rows = len(pd.read_csv(whole / "history.csv"))
    folder = stop(1, **how)
    for kept in range(2, rows):
        stop(kept, resume=folder)
        assert len(list((folder / "checkpoint").glob("*.safetensors"))) <= 4
    heard = Recorder()
    assert fit(resume=folder, listener=heard).run == folder.absolute()
    assert heard.warnings == []
    assert find_differences(whole, folder) == []
    assert sorted(one.name for one in folder.iterdir()) == sorted(one.name for one in whole.iterdir())

"""A fit is tracked by the way: whatever a tracker does, the fit is not lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from sightx_cli import fit
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder
from sightx_cli.report.trackers import TRACKERS, build_trackers
from sightx_cli.report.trackers.interface import Tracker
from sightx_cli.steps.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable


class Notebook:
    """A tracker that remembers, and fails at the step of this name."""

    name: ClassVar[str] = "notebook"
    package: ClassVar[str] = "sightx_cli"
    fails_at: ClassVar[str] = ""
    said: ClassVar[list[str]] = []

    def _write(self, what: str) -> None:
        if what == self.fails_at:
            raise OSError("no ink")
        self.said.append(what)

    def begin(self, run: Path, parameters: Mapping[str, str]) -> str:
        self._write("begin")
        assert parameters["model.backbone"] == "test_resnet"
        return "look at it"

    def log_epoch(self, step: int, figures: Mapping[str, float]) -> None:
        self._write("epoch")
        assert figures["valid_loss"] > 0

    def finish(self, run: Path, figures: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        self._write("finish")
        assert 0 <= figures["valid/accuracy"] <= 1
        assert all(path.is_file() for path in pictures.values())

    def abort(self) -> None:
        self._write("abort")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Notebook]:
    """The only tracker there is, empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(TRACKERS, "notebook", Notebook)
    monkeypatch.setattr(Notebook, "said", [])
    return Notebook


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fails_at", "said"),
    [
        ("", ["begin", "epoch", "epoch", "finish", "abort"]),
        ("begin", []),
        ("epoch", ["begin"]),
        ("finish", ["begin", "epoch", "epoch"]),
    ],
)
def test_a_tracker_that_fails_is_told_of_once_and_the_fit_is_whole(
    notebook: type[Notebook],
    monkeypatch: pytest.MonkeyPatch,
    digits: Path,
    random_weights: Callable[[str], Path],
    fails_at: str,
    said: list[str],
) -> None:
    monkeypatch.setattr(notebook, "fails_at", fails_at)
    heard = Recorder()
    result = fit(
        digits,
        recipe="natural-small",
        backbone="test_resnet",
        weights=random_weights("test_resnet"),
        engine="torch",
        folds=0,
        full=True,
        settings=("image.size_px=32", "stage.0.epochs=1"),
        track="notebook",
        listener=heard,
    )
    assert (result.run / "bundle" / "bundle.json").is_file()
    assert notebook.said == said
    failed = [line for line in heard.warnings if line.startswith("--track notebook failed (OSError: no ink)")]
    assert len(failed) == bool(fails_at)
    assert ("tracked: look at it shows it" in heard.notes) == (fails_at != "begin")


def test_an_unknown_tracker_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="--track is 'wandb': allowed are tensorboard, mlflow, or both"):
        Options("x", track="wandb")
    assert Options("x", track="mlflow, tensorboard,mlflow").track == "mlflow,tensorboard"


def test_a_package_that_is_missing_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nowhere(Notebook):
        name: ClassVar[str] = "nowhere"
        package: ClassVar[str] = "no_such_package"

    monkeypatch.setitem(TRACKERS, "nowhere", Nowhere)
    with pytest.raises(UsageError, match="--track nowhere needs the package no_such_package, which is not") as caught:
        build_trackers("nowhere")
    assert 'pip install "sightx-cli[nowhere]"' in caught.value.hint


def test_without_the_option_nothing_is_tracked() -> None:
    found: list[Tracker] = build_trackers(None)
    assert found == []

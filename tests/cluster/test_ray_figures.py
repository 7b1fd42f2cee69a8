"""`evaluate --on ray` and `fit --features-on ray`: the figures of one process, to the digit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sightx_cli import evaluate, fit
from sightx_cli.cluster.feature_pool import FeaturePool
from sightx_cli.errors import DataError
from sightx_cli.progress import Silent

if TYPE_CHECKING:
    from sightx_cli.cluster.ray_cluster import Cluster
    from sightx_cli.results.fit import FitResult

pytestmark = pytest.mark.slow


def test_an_evaluation_on_workers_has_the_figures_of_one_process(
    cluster: Cluster, digits_run: FitResult, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = evaluate(digits, model=digits_run.run, robustness=False, out=Path("here"))
    there = evaluate(digits, model=digits_run.run, robustness=False, out=Path("there"), on="ray")
    assert there.figures == here.figures
    assert Path("there/predictions.csv").read_bytes() == Path("here/predictions.csv").read_bytes()


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_features_of_workers_are_those_of_one_process_to_the_digit(
    cluster: Cluster, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FeaturePool, "least_images", 1)
    made = []
    for name, how in (("here", {}), ("there", {"features_on": "ray"})):
        monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / f"store {name}"))
        settings = ("image.size_px=64", "training.views=2", "stage.0.epochs=1")
        run = fit(digits, recipe="natural-small", settings=settings, out=Path(name), engine=engine, **how).run
        shards = sorted((tmp_path / f"store {name}" / "outputs").rglob("shard.json"))
        made.append((read_shards(shards), (run / "predictions" / "valid.csv").read_bytes()))
    assert made[0] == made[1]


def read_shards(headers: list[Path]) -> dict[tuple[str, str], bytes]:
    """The bytes of each output of each shard, by its address with its images, and its name."""
    found = {}
    for header in headers:
        address = header.parent.parent.as_posix().rpartition("outputs/")[2]
        images = ",".join(json.loads(header.read_text())["digests"])
        found |= {
            (f"{address} {images}", file.name): file.read_bytes()
            for file in header.parent.glob("*.bin")
            if file.stem.startswith(("features", "map", "taps"))
        }
    return found


class Losing(Silent):
    """Deletes an image when the features of a view are about to be computed."""

    def __init__(self, image: Path) -> None:
        self.image = image

    def start(self, task: str, total: int | None, unit: str) -> None:
        if task.startswith("frozen layers, view 1"):
            self.image.unlink()


def test_an_image_that_a_worker_cannot_read_is_named(
    cluster: Cluster, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FeaturePool, "least_images", 1)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))
    for part, files in (("train", slice(None, 12)), ("valid", slice(12, 24))):
        for name in ("nought", "one"):
            shutil.copytree(digits / name, tmp_path / "data" / part / name)
            for file in sorted((tmp_path / "data" / part / name).iterdir()):
                if file not in sorted((tmp_path / "data" / part / name).iterdir())[files]:
                    file.unlink()
    lost = next((tmp_path / "data" / "train" / "one").iterdir())
    how = {"recipe": "natural-small", "settings": ("image.size_px=64",), "probe": False, "features_on": "ray"}
    with pytest.raises(DataError, match=f"a worker on Ray: .*{lost.name}"):
        fit(tmp_path / "data", out=Path("run"), listener=Losing(lost), **how)

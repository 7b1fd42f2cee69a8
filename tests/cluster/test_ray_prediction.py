"""`predict --on ray`: the rows of one process, made by workers, whatever happens to them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from sightx_cli import predict

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture
def images(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten digits and a file that is none, in `new/` of the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    for number, file in enumerate(sorted(digits.rglob("*.png"))[::7][:10]):
        shutil.copy(file, tmp_path / "new" / f"{number}.png")
    (tmp_path / "new" / "bad.png").write_text("text")
    return Path("new")


def test_two_workers_on_this_machine_give_the_rows_of_one_process(digits_run: FitResult, images: Path) -> None:
    predict(images, model=digits_run.run, output=Path("here.csv"))
    result = predict(images, model=digits_run.run, output=Path("there"), on="ray")
    manifest = json.loads(Path("there/manifest.json").read_text())
    parts = [pd.read_parquet(Path("there") / one["file"]) for one in manifest["partitions"]]
    rows, here = pd.concat(parts), pd.read_csv("here.csv", keep_default_na=False, na_values={"confidence": [""]})
    assert rows["row"].tolist() == list(range(11))
    for name in ("image", "prediction", "status", "error"):
        assert rows[name].tolist() == here[name].tolist()
    assert rows["confidence"].round(6).tolist() == pytest.approx(here["confidence"].tolist(), abs=1e-6, nan_ok=True)
    assert (result.unreadable, manifest["unreadable"], manifest["rows"], result.workers > 0) == (1, 1, 11, True)

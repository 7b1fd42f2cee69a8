"""`predict --on ray`: the rows of one process, made by workers on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from sightx_cli import predict

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


def test_workers_on_this_machine_give_the_rows_of_one_process(
    digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    images = copy_digits(10)
    predict(images, model=digits_run.run, output=Path("here.parquet"))
    result = predict(images, model=digits_run.run, output=Path("there"), on="ray")
    manifest = json.loads(Path("there/manifest.json").read_text())
    parts = [pd.read_parquet(Path("there") / one["file"]) for one in manifest["partitions"]]
    rows = pd.concat(parts, ignore_index=True)
    assert rows.pop("row").tolist() == list(range(11))
    pd.testing.assert_frame_equal(rows, pd.read_parquet("here.parquet"), check_exact=True)
    assert (result.images, result.unreadable, manifest["rows"], manifest["unreadable"]) == (11, 1, 11, 1)
    assert not list(Path().glob(".there*"))
    assert result.workers == pytest.approx(result.workers)
    assert len(parts) > 1

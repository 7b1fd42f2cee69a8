"""What is wrong with a wish for work on Ray is said before anything is started."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from sightx_cli import evaluate, fit, predict
from sightx_cli.cluster.asked_rows import ask_rows
from sightx_cli.cluster.feature_pool import FeaturePool
from sightx_cli.cluster.packed_model import pack_model
from sightx_cli.cluster.partition_work import choose_partition_rows
from sightx_cli.cluster.ray_cluster import Cluster, choose_store_bytes
from sightx_cli.cluster.row_file import read_rows, write_row_file
from sightx_cli.data.layout import FOUND_OUT
from sightx_cli.data.queries import QueryRow
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

MEBIBYTE = 1024**2


@pytest.fixture
def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    "ask",
    [
        lambda run, how: predict("new", model=run, **how),
        lambda run, how: evaluate("new", model=run, **how),
    ],
)
def test_an_address_is_for_ray(digits_run: FitResult, ask: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="is for work on a Ray cluster") as raised:
        ask(digits_run.run, {"address": "auto"})
    assert "--on ray" in raised.value.hint
    with pytest.raises(UsageError, match="--on spark: not known; allowed: ray"):
        ask(digits_run.run, {"on": "spark"})


def test_an_address_of_a_fit_is_for_its_features(digits: Path) -> None:
    with pytest.raises(UsageError, match="--address auto") as raised:
        fit(digits, address="auto")
    assert "--features-on ray" in raised.value.hint
    with pytest.raises(UsageError, match="keeps what is computed in the cache"):
        fit(digits, features_on="ray", cache=False)


def test_without_ray_the_line_that_installs_it_is_said(
    digits_run: FitResult, copy_digits: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="needs Ray, not installed here") as raised:
        predict(copy_digits(1), model=digits_run.run, on="ray")
    assert raised.value.hint == 'type pip install "sightx-cli[ray]"'
    assert not Path("predictions.csv").exists()


def test_an_address_where_nothing_answers_is_said_within_seconds(
    digits_run: FitResult, copy_digits: Callable[[int], Path], closed_port: int
) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match="nothing answers there"):
        predict(copy_digits(1), model=digits_run.run, on="ray", address=f"127.0.0.1:{closed_port}")
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("address", ["here", "127.0.0.1", ":6379", "127.0.0.1:x", "127.0.0.1:99999"])
def test_what_is_no_address_is_said(digits_run: FitResult, copy_digits: Callable[[int], Path], address: str) -> None:
    with pytest.raises(UsageError, match="not an address; allowed: auto, HOST:PORT"):
        predict(copy_digits(1), model=digits_run.run, on="ray", address=address)


def test_rays_client_is_said_not_to_do(digits_run: FitResult, copy_digits: Callable[[int], Path]) -> None:
    with pytest.raises(UsageError, match="does not work through its client") as raised:
        predict(copy_digits(1), model=digits_run.run, on="ray", address="ray://127.0.0.1:10001")
    assert "ray job submit" in raised.value.hint


def test_a_folder_of_other_files_is_no_place_for_partitions(
    digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    images = copy_digits(1)
    for how in ({}, {"overwrite": True}):
        with pytest.raises(UsageError, match="is a folder with other files"):
            predict(images, model=digits_run.run, output=images, on="ray", **how)
    Path("done").mkdir()
    Path("done/manifest.json").write_text("{}")
    with pytest.raises(UsageError, match="exists already"):
        predict(images, model=digits_run.run, output=Path("done"), on="ray")


@pytest.mark.parametrize("how", [{"heatmaps": Path("maps")}, {"into": "coco"}])
def test_what_does_not_go_with_ray_is_said(
    digits_run: FitResult, copy_digits: Callable[[int], Path], how: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match="does not go with --on ray"):
        predict(copy_digits(1), model=digits_run.run, on="ray", **how)


def test_rows_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    rows = [QueryRow(f"é{n}\udcff.png", f"/a/é{n}\udcff.png", (str(n), "", "a\nb")) for n in range(7)]
    made = write_row_file(tmp_path / "rows", iter(rows), 3, 3)
    content = made.path.read_bytes()
    assert [row for number in range(3) for row in read_rows(content, number)] == rows
    assert made.rows == 7
    other = write_row_file(tmp_path / "other", [*rows[:6], rows[0]], 3, 3)
    assert other.digest != made.digest


@pytest.mark.parametrize("given", [["a.png", "b.png"], ["{here}/a.png", "file://{here}/b.png"], [" a.png ", ""]])
def test_a_large_table_is_read_in_batches_as_a_small_one_is_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    table = tmp_path / "list.parquet"
    cells = {
        "image": [one.format(here=tmp_path) for one in given] * 5,
        "age": [1, None] * 5,
        "sure": [True, False] * 5,
        "note": ["", "x"] * 5,
        "number": pd.array([2**60 + 1, None] * 5, "Int64"),  # as a float it would lose digits
    }
    pd.DataFrame(cells).to_parquet(table)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    at_once = ask_rows([table], FOUND_OUT)
    monkeypatch.setattr("sightx_cli.cluster.asked_rows.STREAMED_ROWS", 1)
    monkeypatch.setattr("sightx_cli.cluster.asked_rows.BATCH_ROWS", 4)
    in_batches = ask_rows([table], FOUND_OUT)
    assert list(in_batches.iterate()) == list(at_once.iterate())
    assert (in_batches.count, in_batches.columns, in_batches.types) == (10, at_once.columns, at_once.types)
    assert [notice.kind for notice in in_batches.notices] == ["streamed-table"]


@pytest.mark.parametrize(
    ("rows", "workers", "expected"),
    [(1, 2, 4), (5000, 2, 157), (64_000, 2, 2000), (10**7, 64, 2000), (100_000, 64, 98)],
)
def test_every_worker_has_many_partitions_and_none_is_large(rows: int, workers: int, expected: int) -> None:
    assert choose_partition_rows(rows, workers) == expected


def test_a_worker_has_a_gpu_where_the_cluster_has_some_and_it_is_wished_for() -> None:
    without, with_two = (Cluster(None, 8, 1, devices, 0, False) for devices in (0, 2))
    assert without.choose_device("auto") == without
    assert with_two.choose_device("cpu") == with_two
    for device in ("auto", "cuda"):
        chosen = with_two.choose_device(device)
        assert (chosen.workers, chosen.devices_each, chosen.device) == (2, 1, "cuda")
        assert chosen.describe() == "2 workers with a GPU each"
    with pytest.raises(UsageError, match="the cluster on Ray has no GPU"):
        without.choose_device("cuda")
    with pytest.raises(UsageError, match="--device mps: allowed on Ray are"):
        with_two.choose_device("mps")


def test_what_is_packed_is_what_predicts_there(digits_run: FitResult) -> None:
    here, there = (set(pack_model(digits_run.run, device).files) for device in ("cpu", "cuda"))
    assert "weights.safetensors" in there - here
    assert "graph.xml" in here - there


def test_ray_keeps_its_objects_where_there_is_room() -> None:
    assert choose_store_bytes(16 * 1024**3, 24 * 1024**3) == (2 * 1024**3, None)
    assert choose_store_bytes(4 * 1024**3, 500 * MEBIBYTE) == (450 * MEBIBYTE, None)
    assert choose_store_bytes(200 * MEBIBYTE, None) == (80 * MEBIBYTE, None)
    size, notice = choose_store_bytes(16 * 1024**3, 64 * MEBIBYTE)
    assert size == 2 * 1024**3
    assert notice is not None
    assert "--shm-size" in notice.text


def test_few_features_are_computed_here_which_is_said_once() -> None:
    heard = Recorder()
    pool = FeaturePool(None, heard)
    assert [pool.takes(images) for images in (0, 63, 10, 64)] == [False, False, False, True]
    assert [notice.kind for notice in heard.notices] == ["features-here"]

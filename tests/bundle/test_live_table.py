"""A table that grows has whole rows, goes on after any end, and takes only rows of one model."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.live_table import (
    ARRIVED,
    LiveTable,
    check_live_output,
    parse_time,
    plan_live_columns,
    write_time,
)
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.data.arrivals import Arrival
from sightx_cli.errors import RunError, UsageError
from sightx_cli.task.kinds import load_task

HALF = (0.5, 0.5, 0.5)
TASK = load_task({"kind": "single-label", "classes": ["a", "b"]})
FACTS = BundleFacts(TASK, 32, "pad", HALF, HALF, "test_resnet", {}, "natural-small")
COLUMNS = plan_live_columns(FACTS, False, 1)
HOSTILE = ["=1+1.png", 'a "quoted",name.png', "two\r\nlines.png", "é ü.png", "-.png", "'x.png"]


def fill(table: LiveTable, *names: str) -> None:
    for number, name in enumerate(names):
        arrival = Arrival(1_700_000_000_123_456_789 + number, f"/in/{name}", 5, 0.0, True)
        prediction = Prediction(name, np.array([0.75, 0.25], np.float32), status="sure")
        table.write(table.columns.build_row(arrival, prediction))


def list_images(table: LiveTable) -> list[str]:
    return [row["image"].removeprefix("/in/") for row in table.read_rows()]


def test_a_row_is_there_as_soon_as_it_is_written_and_says_what_a_table_says(tmp_path: Path) -> None:
    table = LiveTable(tmp_path / "a.csv", COLUMNS)
    fill(table, "1.png")
    (row,) = pd.read_csv(tmp_path / "a.csv", keep_default_na=False).to_dict("records")
    assert list(row) == ["image", "arrived", "prediction", "confidence", "status", "p_a", "p_b", "error", "model"]
    assert (row["image"], row["arrived"]) == ("/in/1.png", "2023-11-14T22:13:20.123456Z")
    assert (row["prediction"], row["confidence"], row["p_b"], row["status"]) == ("a", 0.75, 0.25, "sure")


def test_it_is_gone_on_with_and_every_name_comes_back_as_it_was(tmp_path: Path) -> None:
    fill(LiveTable(tmp_path / "a.csv", COLUMNS), *HOSTILE)
    table = LiveTable(tmp_path / "a.csv", COLUMNS)
    fill(table, "last.png")
    assert list_images(table) == [*HOSTILE, "last.png"]
    assert [parse_time(row["arrived"]) for row in table.read_rows()][1] == 1_700_000_000_123_456_000
    assert table.removed == 0


def test_whatever_was_cut_off_is_taken_away_and_no_whole_row(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    fill(LiveTable(file, COLUMNS), "1.png", "=two\r\nlines.png", "3.png")
    content = file.read_bytes()
    begins = [content.index(b"/in/1"), content.index(b'"/in/=two') if b'"/in/=two' in content else -1]
    assert begins[1] > 0
    ends = [begins[0], begins[1], content.index(b"/in/3"), len(content)]
    for size in range(begins[0], len(content) + 1):
        file.write_bytes(content[:size])
        table = LiveTable(file, COLUMNS)
        whole = sum(size >= end - 2 for end in ends[1:])  # one that lacks its end alone is whole
        assert list_images(table) == ["1.png", "=two\r\nlines.png", "3.png"][:whole]
        fill(table, "next.png")
        table.close()
        with file.open(encoding="utf-8", newline="") as lines:
            assert {len(row) for row in csv.reader(lines)} == {len(COLUMNS.names)}


@pytest.mark.parametrize(
    ("facts", "abstains", "views"),
    [
        (replace(FACTS, temperature=2.0), False, 1),
        (replace(FACTS, files={"graph.xml": "0" * 64}), False, 1),
        (FACTS, True, 1),
        (FACTS, False, 4),
    ],
    ids=["calibration", "weights", "abstaining", "views"],
)
def test_rows_of_another_model_are_not_added_to(tmp_path: Path, facts: BundleFacts, abstains: bool, views: int) -> None:
    fill(LiveTable(tmp_path / "a.csv", COLUMNS), "1.png")
    table = LiveTable(tmp_path / "a.csv", plan_live_columns(facts, abstains, views))
    with pytest.raises(UsageError, match="was filled by another model") as error:
        list(table.read_rows())
    assert "--overwrite" in error.value.hint


def test_another_table_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    for text in ("image,prediction\r\nx.png,a\r\n", "no table", "\xff\xfe".encode("latin-1").decode("latin-1"), "\n\n"):
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match="has other columns"):
            LiveTable(tmp_path / "a.csv", COLUMNS)
        assert (tmp_path / "a.csv").read_text(encoding="utf-8") == text.replace("\r\n", "\n")


def test_overwriting_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("something")
    table = LiveTable(tmp_path / "a.csv", COLUMNS, overwrite=True)
    fill(table, "1.png")
    assert list_images(table) == ["1.png"]


def test_a_table_that_was_moved_away_is_said_and_takes_no_rows_with_it(tmp_path: Path) -> None:
    table = LiveTable(tmp_path / "a.csv", COLUMNS)
    (tmp_path / "a.csv").rename(tmp_path / "yesterday.csv")
    with pytest.raises(RunError, match="was moved, removed or replaced"):
        fill(table, "1.png")
    assert len((tmp_path / "yesterday.csv").read_text().splitlines()) == 1


def test_a_full_disk_leaves_no_half_row(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    import signal

    table = LiveTable(tmp_path / "a.csv", COLUMNS)
    fill(table, "1.png")
    before = (tmp_path / "a.csv").read_bytes()
    limits, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            fill(table, "2.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    assert (tmp_path / "a.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a", "a.txt"])
def test_only_csv_grows(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"grows row by row; allowed: \.csv"):
        check_live_output(tmp_path / name, overwrite=False)


@pytest.mark.parametrize("changed_ns", [0, -1_000, 1_700_000_000_999_999_000, 2**62, 10**24])
def test_a_time_comes_back_to_the_microsecond(changed_ns: int) -> None:
    assert parse_time(write_time(changed_ns)) == changed_ns // 1000 * 1000


@pytest.mark.parametrize("time", ["", "27.11.2026 11:58", "2026-11-27T11:58:01.5"])
def test_a_time_that_was_written_otherwise_is_said(tmp_path: Path, time: str) -> None:
    table = LiveTable(tmp_path / "a.csv", COLUMNS)
    fill(table, "1.png")
    table.close()
    header, row = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    cells = row.split(",")
    cells[header.split(",").index(ARRIVED)] = time
    (tmp_path / "a.csv").write_text("\n".join([header, ",".join(cells), ""]), encoding="utf-8")
    with pytest.raises(RunError, match="cannot be read as a table of predictions"):
        list(LiveTable(tmp_path / "a.csv", COLUMNS).read_rows())

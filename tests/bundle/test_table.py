"""The table of predictions: the same rows in every format, whole or not at all, continued where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sightx_cli.bundle import table
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.bundle.table import Begun, build_answer, check_output, describe_kept, plan_columns, writing_table
from sightx_cli.data.queries import QueryRow
from sightx_cli.errors import UsageError
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("cat, big", "hund"))
COLUMNS = ["image", "prediction", "confidence", "status", "p_cat, big", "p_hund", "error"]


def predict(image: str, share: float | None) -> Prediction:
    if share is None:
        return Prediction(image, None, "is empty (0 bytes)")
    return Prediction(image, np.array([share, 1 - share], np.float32))


def build_row(prediction: Prediction) -> dict[str, Any]:
    columns = plan_columns(TASK)
    answer = build_answer(prediction, columns)
    return columns.build_row(QueryRow(prediction.image, prediction.image), answer)


ROWS = [predict('a "1",\n.png', 0.25), predict("ä/b.png", None), predict("c.png", 1.0)]


def write_rows(output: Path, rows: list[Prediction], key: str = "same", resume: bool = False) -> None:
    with writing_table(output, plan_columns(TASK), Begun(key, 3), resume) as made:
        for row in rows[made.resumed :]:
            made.write(build_row(row))


def read(output: Path) -> pd.DataFrame:
    """Read a table as its user would."""
    if output.suffix == ".csv":
        return pd.read_csv(
            output, keep_default_na=False, na_values={name: [""] for name in (COLUMNS[2], *COLUMNS[4:6])}
        )
    return pd.read_parquet(output) if output.suffix == ".parquet" else pd.read_json(output, lines=True)


def test_a_row_names_the_likeliest_class_and_every_probability() -> None:
    row = build_row(ROWS[0])
    assert list(row) == COLUMNS
    assert row == {
        "image": 'a "1",\n.png',
        "prediction": "hund",
        "confidence": 0.75,
        "status": "",
        "p_cat, big": 0.25,
        "p_hund": 0.75,
        "error": "",
    }


def test_an_unreadable_image_has_its_row_with_the_error_and_no_prediction() -> None:
    row = build_row(ROWS[1])
    assert (row["prediction"], row["confidence"], row["p_hund"], row["error"]) == ("", None, None, "is empty (0 bytes)")


def test_a_file_name_that_is_no_text_stands_as_an_escape() -> None:
    assert build_row(predict("b\udcffd.png", 1.0))["image"] == "b\\udcffd.png"


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_every_format_holds_the_same_rows(tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    write_rows(output, ROWS)
    found = read(output)
    assert list(found.columns) == COLUMNS
    assert found["image"].tolist() == ['a "1",\n.png', "ä/b.png", "c.png"]
    assert found["prediction"].tolist() == ["hund", "", "cat, big"]
    assert found["error"].tolist() == ["", "is empty (0 bytes)", ""]
    for name, values in {"confidence": (0.75, 1.0), "p_cat, big": (0.25, 1.0), "p_hund": (0.75, 0.0)}.items():
        assert found[name].isna().tolist() == [False, True, False]
        assert found[name].dropna().tolist() == pytest.approx(values)


@pytest.mark.parametrize("suffix", [".CSV", ".Parquet", ".JSONL"])
def test_the_ending_may_be_in_capitals(tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    check_output(output, False)
    write_rows(output, ROWS)
    assert output.stat().st_size


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_finished_table_leaves_nothing_else(tmp_path: Path, suffix: str) -> None:
    write_rows(tmp_path / "new" / f"out{suffix}", ROWS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"out{suffix}"]


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.csv", [])
    assert pd.read_csv(tmp_path / "out.csv").columns.tolist() == COLUMNS


@pytest.mark.parametrize("name", ["out", "out.xlsx", "out.csv.gz"])
def test_another_ending_is_refused_with_those_allowed(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.parquet, \.jsonl"):
        check_output(Path(name), False)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("out.json", "out.jsonl"), ("out.ndjson", "out.jsonl"), ("out.pq", "out.parquet"), ("out.csv.gz", "out.csv")],
)
def test_the_format_nearest_to_another_ending_is_named(name: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_output(Path(name), False)
    assert caught.value.hint == f"--output {nearest}"


def test_an_output_that_exists_is_refused_unless_it_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        check_output(tmp_path / "out.csv", False)
    check_output(tmp_path / "out.csv", True)


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_output(tmp_path / "out.csv", True)


def test_an_output_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        check_output(tmp_path / "file" / "out.csv", False)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="this system has no /proc")
def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        check_output(Path("/proc/out.csv"), False)
    check_output(tmp_path / "new" / "folder" / "out.csv", False)
    assert list(tmp_path.iterdir()) == []


def stop_after(output: Path, count: int, key: str = "same", resume: bool = False) -> None:
    """Write rows until Ctrl-C comes."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        writing_table(output, plan_columns(TASK), Begun(key, 3), resume) as made,
    ):
        for row in ROWS[made.resumed : count]:
            made.write(build_row(row))
        raise KeyboardInterrupt


def test_an_interrupted_table_is_not_there_and_what_was_done_is_kept(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    stop_after(output, 2)
    assert not output.exists()
    with writing_table(output, plan_columns(TASK), Begun("same", 3), True) as made:
        assert made.resumed == 2
        assert [row["image"] for row in made.done_rows()] == ['a "1",\n.png', "ä/b.png"]
        made.write(build_row(ROWS[2]))
    write_rows(tmp_path / "whole.csv", ROWS)
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_table_can_be_interrupted_again_and_again(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    stop_after(output, 1)
    stop_after(output, 1, resume=True)
    stop_after(output, 2, resume=True)
    write_rows(output, ROWS, resume=True)
    assert [json.loads(line)["image"] for line in output.read_text(encoding="utf-8").splitlines()] == [
        row.image for row in ROWS
    ]


def test_going_on_with_other_images_or_another_run_is_refused(tmp_path: Path) -> None:
    stop_after(tmp_path / "out.csv", 2)
    with pytest.raises(UsageError, match="--resume"):
        write_rows(tmp_path / "out.csv", ROWS, key="other", resume=True)


def test_an_interrupted_table_is_never_replaced_in_silence(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    stop_after(output, 2)
    assert describe_kept(output) == "2 of 3 rows"
    with pytest.raises(UsageError, match=r"an interrupted prediction is there, 2 of 3 rows") as caught:
        check_output(output, False)
    assert "--resume" in caught.value.hint
    assert "--overwrite" in caught.value.hint
    check_output(output, False, resume=True)
    check_output(output, True)
    assert describe_kept(output) == "2 of 3 rows"


def test_one_output_has_one_writer_at_a_time(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with writing_table(output, plan_columns(TASK), Begun("same", 3), False) as made:
        made.write(build_row(ROWS[0]))
        for refused in (lambda: check_output(output, True), lambda: write_rows(output, ROWS)):
            with pytest.raises(UsageError, match=rf"process {os.getpid()}\) writes it now"):
                refused()
    assert read(output)["image"].tolist() == ['a "1",\n.png']
    write_rows(output, ROWS)


def test_what_stops_before_the_first_row_leaves_nothing(tmp_path: Path) -> None:
    stop_after(tmp_path / "out.csv", 0)
    assert list(tmp_path.iterdir()) == []


def test_started_over_an_interrupted_table_loses_its_rows(tmp_path: Path) -> None:
    stop_after(tmp_path / "out.csv", 2)
    with writing_table(tmp_path / "out.csv", plan_columns(TASK), Begun("other", 3), False) as made:
        assert made.resumed == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 0


def test_resume_with_nothing_begun_starts(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.csv", ROWS, resume=True)
    assert len(pd.read_csv(tmp_path / "out.csv")) == 3


def test_many_rows_go_through_parts_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 3)
    rows = [predict(f"{place}.png", 0.5) for place in range(11)]
    for suffix in (".csv", ".parquet", ".jsonl"):
        write_rows(tmp_path / f"out{suffix}", rows)
        assert read(tmp_path / f"out{suffix}")["image"].tolist() == [row.image for row in rows]


def test_slow_rows_are_kept_before_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_SECONDS", 0.0)
    columns = plan_columns(TASK)
    folder = table.find_parts(tmp_path / "out.csv")
    folder.mkdir()
    made = table.PredictionTable(tmp_path / "out.csv", columns, Begun("key", 3), False)
    for row in ROWS[:2]:
        made.write(columns.build_row(QueryRow(row.image, row.image, ()), table.build_answer(row, columns)))
    assert len(list(folder.glob(table.PARTS))) == 2


def test_replacing_a_table_keeps_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("old")
    stop_after(output, 2)
    assert output.read_text() == "old"
    write_rows(output, ROWS, resume=True)
    assert len(pd.read_csv(output)) == 3


def test_columns_of_the_users_that_bear_our_names_are_kept_beside_them() -> None:
    given = ["image", "id", "error", "error_given", "p_hund", "confidence"]
    columns = plan_columns(TASK, given)
    own = ["image", "id", "error_given_given", "error_given", "p_hund_given", "confidence_given"]
    assert columns.names == [*own, "prediction", "confidence", "status", "p_cat, big", "p_hund", "error"]
    row = columns.build_row(QueryRow("a.png", "/a.png", ("a.png", "7", "e", "g", "h", "c")), {"error": "bad"})
    assert [row[name] for name in own] == ["a.png", "7", "e", "g", "h", "c"]
    assert row["error"] == "bad"
    assert columns.numbers == {"confidence", "p_cat, big", "p_hund"}

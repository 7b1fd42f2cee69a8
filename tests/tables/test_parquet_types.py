"""A column keeps its type only where its text says the very same values."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet

from sightx_cli.data.tables import read_table
from sightx_cli.tables.parquet_types import find_column_types

LARGE = 2**60 + 1
"""A whole number that is another as a float."""


def find_types(path: Path, **columns: list[object]) -> dict[str, str]:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return {name: str(kind) for name, kind in find_column_types(path, read_table(path).frame).items()}


def test_numbers_dates_and_yes_and_no_keep_their_type(tmp_path: Path) -> None:
    import datetime

    found = find_types(
        tmp_path / "a.parquet",
        whole=[1, None, -3],
        large=[LARGE, None, 3],
        fraction=[0.1, None, 1e300],
        day=[datetime.date(2024, 2, 29), None, datetime.date(1, 1, 1)],
        zone=[datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), None, None],
        said=[True, None, False],
        text=["1", "2", "3"],
    )
    kept = {"whole": "int64", "large": "int64", "fraction": "double", "day": "date32[day]", "said": "bool"}
    assert found == {**kept, "zone": "timestamp[us, tz=UTC]"}


def test_a_missing_time_is_an_empty_cell(tmp_path: Path) -> None:
    times = pyarrow.array([None, 0], pyarrow.timestamp("s"))
    pyarrow.parquet.write_table(pyarrow.table({"a": times}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").frame["a"].tolist() == ["", "1970-01-01 00:00:00"]


def test_what_text_cannot_say_again_stays_text(tmp_path: Path) -> None:
    assert find_types(tmp_path / "a.parquet", b=[[1], [2]], c=[b"x", b"y"], d=["x", "y"]) == {}


def test_other_tables_have_text_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    assert find_column_types(path, read_table(path).frame) == {}

"""An Excel workbook is read as a person sees it there."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError


def write_workbook(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def test_cells_are_text_as_a_person_sees_them(tmp_path: Path) -> None:
    rows = [
        ["image", "label", "age", "score", "taken", "at", "seen", "checked", "none"],
        ["a.png", 0, 71.0, 0.5, datetime.date(2024, 3, 5), datetime.datetime(2024, 3, 5, 14, 30), "NA", True, None],
    ]
    frame = read_table(write_workbook(tmp_path / "t.xlsx", data=rows)).frame
    assert list(frame.columns) == rows[0]
    assert frame.iloc[0].tolist() == ["a.png", "0", "71", "0.5", "2024-03-05", "2024-03-05 14:30:00", "NA", "TRUE", ""]


def test_ids_shown_with_leading_zeros_have_them(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(["image", "label"])
    sheet.append([7, 1])
    sheet["A2"].number_format = "0000"
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").frame.iloc[0].tolist() == ["0007", "1"]


def test_hidden_columns_and_rows_are_read(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    for row in (["image", "patient", "label"], ["a.png", "p1", "x"], ["b.png", "p2", "y"]):
        sheet.append(row)
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = True
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.frame["patient"].tolist() == ["p1", "p2"]
    assert table.notices == ()


def test_of_several_sheets_the_first_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    rows = [["image", "label"], ["a.png", "x"]]
    table = read_table(write_workbook(tmp_path / "t.xlsx", first=rows, second=[["image", "label"], ["b.png", "y"]]))
    assert table.frame["image"].tolist() == ["a.png"]
    assert [(one.kind, one.count) for one in table.notices] == [("other-sheets", 1)]
    assert "'first'" in table.notices[0].text
    assert "'second'" in table.notices[0].text


def test_a_sheet_of_notes_or_a_hidden_one_before_the_table_is_not_taken_for_it(tmp_path: Path) -> None:
    path = write_workbook(
        tmp_path / "t.xlsx",
        hidden=[["image", "label"], ["old.png", "x"]],
        notes=[["read me"], ["by Dr. A", "2024"]],
        data=[["Retina study"], [], ["File name", "Grade"], ["a.png", 2]],
    )
    from openpyxl import load_workbook

    book = load_workbook(path)
    book["hidden"].sheet_state = "hidden"
    book.save(path)
    table = read_table(path)
    assert table.frame.to_dict("list") == {"File name": ["a.png"], "Grade": ["2"]}
    assert table.lines == [4]
    assert [one.kind for one in table.notices] == ["other-sheets", "above-header"]


def test_cells_that_are_only_formatted_are_no_rows(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    for row in (["image", "label"], ["a.png", "x"], [None, None], ["b.png", "y"]):
        sheet.append(row)
    sheet["A900"].number_format = "0"
    sheet["H2"].number_format = "0"
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.frame.to_numpy().tolist() == [["a.png", "x"], ["", ""], ["b.png", "y"]]
    assert table.lines == [2, 3, 4]


def test_a_workbook_is_read_whatever_its_file_is_called(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", data=[["image", "label"], ["a.png", "x"]])
    assert read_table(path.rename(tmp_path / "t.csv")).frame["image"].tolist() == ["a.png"]


def test_a_damaged_workbook_is_one_line(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", data=[["image", "label"], ["a.png", "x"]])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="is not a readable workbook") as caught:
        read_table(path)
    assert "\n" not in caught.value.message


def test_without_the_package_it_says_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_workbook(tmp_path / "t.xlsx", data=[["image", "label"], ["a.png", "x"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match="openpyxl") as caught:
        read_table(path)
    assert 'pip install "sightx-cli[tables]"' in caught.value.hint

"""No name in a CSV that we write is live in a spreadsheet, and each comes back as it was."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightx_cli.bundle.table_writers import write_csv
from sightx_cli.data.cells import shield_cell, unshield_cell
from sightx_cli.data.exclusions import exclude_images
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.splits import write_split
from sightx_cli.data.tables import read_table
from sightx_cli.quality.fix_list import Row, write_rows
from sightx_cli.steps.run_files import write_history

LIVE = '=HYPERLINK("http:,x";1)'
SIGNS = tuple("=+-@\t\r\n＝＋－＠")


@given(st.text() | st.builds(str.__add__, st.sampled_from([*SIGNS, "'", "''="]), st.text()))
def test_a_cell_comes_back_as_it_was_and_never_begins_a_formula(text: str) -> None:
    written = shield_cell(text)
    assert isinstance(written, str)
    assert unshield_cell(written) == text
    assert not written.startswith(SIGNS) or float(written.replace(",", ".")) is not None


@pytest.mark.parametrize("plain", ["a.png", "'quoted'", "-5", "+0.25", "-1e-05", "-0,5", "", "a=b", "O'Neill"])
def test_what_is_no_formula_is_written_as_it_is(plain: str) -> None:
    assert shield_cell(plain) == plain


def read_cells(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def test_every_table_that_we_write_is_read_back_the_same(tmp_path: Path) -> None:
    names = [LIVE, "@SUM(A1)", "'=1+1", "-2+3", "plain"]
    frame = pd.DataFrame(dict.fromkeys(("image", "label", "split", "group"), names))
    write_csv(tmp_path / "table.csv", ["image", LIVE], [{"image": name, LIVE: name} for name in names])
    write_rows([Row(name, name, name) for name in names], tmp_path / "list.csv")
    write_split(frame, tmp_path / "split.csv")
    write_history(tmp_path / "history.csv", [{"stage": name, "epoch": 1} for name in names])
    for file in sorted(tmp_path.glob("*.csv")):
        cells = read_cells(file)
        assert not [cell for cell in cells if cell.startswith(SIGNS)], file
        column = "stage" if file.stem == "history" else "image"
        assert read_table(file).frame[column].tolist() == names, file
    assert LIVE in read_table(tmp_path / "table.csv").frame.columns


def test_a_file_with_a_live_name_is_left_out_by_the_list_that_names_it(
    photo_folder: Callable[..., Path], write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    root = photo_folder(["=cmd|x", "dog"], 3)
    write_photo(root / "dog" / "=1+1.jpg", seed=9)
    names = ["=cmd|x/0.jpg", "dog/=1+1.jpg"]
    write_rows([Row(name, "a copy", "leave out") for name in names], tmp_path / "list.csv")
    done = exclude_images(load_manifest(root), tmp_path / "list.csv")
    assert (done.excluded, done.unmatched) == (2, ())
    assert not set(names) & set(done.manifest.frame["image"])

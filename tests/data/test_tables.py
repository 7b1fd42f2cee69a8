"""A table is read as text, quickly whatever its width, and whatever is wrong with it is said in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sightx_cli.data.exclusions import exclude_images
from sightx_cli.data.folders import natural_key
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.queries import build_query
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.tables import read_table, require_columns
from sightx_cli.errors import DataError

SPREADSHEET_COLUMNS = 16_384


class CountedRow(list[str]):
    """A row that counts how often it is copied."""

    copies = 0

    def __getitem__(self, place: object) -> object:
        CountedRow.copies += isinstance(place, slice)
        return super().__getitem__(place)  # type: ignore[index]


def test_a_row_of_a_spreadsheets_full_width_is_cut_in_one_go() -> None:
    from sightx_cli.data.tables import _drop_empty_tail

    row = CountedRow(["a.png", "cat", *[""] * (SPREADSHEET_COLUMNS - 2)])
    assert _drop_empty_tail(row, 1) == ["a.png", "cat"]
    assert CountedRow.copies == 1


def test_empty_columns_of_a_spreadsheet_are_no_columns(tmp_path: Path) -> None:
    empty = "," * (SPREADSHEET_COLUMNS - 2)
    (tmp_path / "wide.csv").write_text(f"image,label{empty}\n" + f"a.png,cat{empty}\n" * 50)
    table = read_table(tmp_path / "wide.csv").frame
    assert (list(table.columns), len(table)) == (["image", "label"], 50)


def test_a_missing_column_is_named_among_the_first_of_many(tmp_path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(SPREADSHEET_COLUMNS))
    (tmp_path / "wide.csv").write_text(f"imge,{names}\na.png\n")
    with pytest.raises(DataError, match=r"columns are imge, c0, .*, c18, and 16,365 more$") as caught:
        require_columns(read_table(tmp_path / "wide.csv"), tmp_path / "wide.csv", ["image"])
    assert "rename 'imge' to 'image'" in caught.value.hint


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_that_is_a_pipe_is_refused_and_never_waited_for(tmp_path: Path, suffix: str) -> None:
    pipe = tmp_path / f"table{suffix}"
    os.mkfifo(pipe)
    frame = pd.DataFrame({"image": ["a.png"], "path": ["a.png"], "label": ["a"], "split": [""], "group": [""]})
    manifest = Manifest(frame, tmp_path, "table", ("a",), False)
    for reading in (
        lambda: load_manifest(pipe),
        lambda: build_query([pipe]),
        lambda: exclude_images(manifest, pipe),
    ):
        with pytest.raises(DataError, match="cannot be read: a named pipe, not a file"):
            reading()


def test_labels_may_be_longer_than_any_number_that_python_converts(tmp_path: Path) -> None:
    labels = ["9" * 5_000, "1" + "0" * 5_000]
    rows = "".join(f"{label[0]}{place}.png,{label}\n" for label in labels for place in range(2))
    (tmp_path / "9.csv").write_text(f"image,label\n{rows}")
    (tmp_path / "90.png").touch()
    assert load_manifest(tmp_path / "9.csv").classes == tuple(labels)


def test_numbers_in_names_sort_by_their_value() -> None:
    names = ["scan01", "scan1", "scan2", "scan10a", "scan10b2", "scan10b10", "scan10", "Scan11", "scan" + "9" * 5_000]
    assert sorted({*names}, key=natural_key) == names


def test_a_flipped_bit_in_parquet_is_one_line_or_another_table(tmp_path: Path) -> None:
    file, damaged = tmp_path / "whole.parquet", tmp_path / "damaged.parquet"
    frame = pd.DataFrame({"image": [f"{i}.png" for i in range(20)], "label": ["cat", "dog"] * 10, "age": range(20)})
    frame.to_parquet(file)
    whole, refusals = file.read_bytes(), []
    for place in np.random.default_rng(0).integers(0, len(whole) * 8, 300):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        damaged.write_bytes(flipped)
        try:
            read_table(damaged)
        except DataError as error:
            refusals.append(error.message)
    assert len(refusals) > 100
    assert not any("\n" in message for message in refusals)


def test_an_index_and_numbers_beyond_64_bits_of_parquet_are_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({"label": [1.0, None], "size": [1e300, 2.0]}, index=pd.Index(["a.png", "b.png"], name="image"))
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet").frame
    assert table["image"].tolist() == ["a.png", "b.png"]
    assert table["label"].tolist() == ["1", ""]
    assert table["size"].tolist() == ["1e+300", "2.0"]

"""Columns of large sets lie in a file without a name: the same texts, and no memory but while they are read."""

from __future__ import annotations

import gc
import mmap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sightx_cli.data import column_file, text_columns
from sightx_cli.data.column_file import build_column, keep_in_file, release_columns
from sightx_cli.data.text_columns import list_repeated, number_texts

TEXTS = ["", "ant/1.jpg", "Bär/ä.png", "x" * 500, "昆虫"]
ARROW = pd.Series(["a"], dtype=str).dtype.name == "str"
"""Older versions of pandas hold texts as Python objects, which stay in memory."""


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_file, "PART_ROWS", 3)
    monkeypatch.setattr(text_columns, "PART_ROWS", 3)


def build_frame(rows: int = 10) -> pd.DataFrame:
    texts = [TEXTS[row % len(TEXTS)] for row in range(rows)]
    frame = pd.DataFrame({"image": texts, "self": texts[::-1], "group": ""}, dtype=str)
    frame["number"] = range(rows)
    return frame.set_index(np.arange(rows) + 5)


def count_maps() -> int:
    gc.collect()
    return len(column_file._maps)


def test_what_is_kept_in_a_file_reads_as_it_did_before_and_after_its_memory_was_given_back() -> None:
    frame = build_frame()
    kept = keep_in_file(frame, 0)
    pd.testing.assert_frame_equal(kept, frame)
    release_columns(and_free=True)
    pd.testing.assert_frame_equal(kept, frame)
    pd.testing.assert_frame_equal(kept.iloc[2:8].reset_index(drop=True), frame.iloc[2:8].reset_index(drop=True))
    pd.testing.assert_frame_equal(kept[kept["image"] != ""], frame[frame["image"] != ""])


@pytest.mark.skipif(not ARROW, reason="this pandas holds texts as Python objects")
def test_the_file_has_no_name_is_not_written_twice_and_goes_with_its_last_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path))
    before = count_maps()
    kept = keep_in_file(build_frame(), 0)
    assert count_maps() == before + 1
    assert list(tmp_path.iterdir()) == []
    again = keep_in_file(pd.concat([kept.iloc[:4], kept.iloc[4:]]), 0)
    assert again["image"].tolist() == kept["image"].tolist()
    assert count_maps() == before + 1
    mixed = keep_in_file(kept.assign(image=build_frame()["image"]), 0)
    assert count_maps() == before + 2
    assert mixed["self"].array.__arrow_array__().chunks[0].equals(kept["self"].array.__arrow_array__().chunks[0])
    del kept, mixed
    assert count_maps() == before + 1
    assert again["self"].tolist() == build_frame()["self"].tolist()
    del again
    assert count_maps() == before


def test_a_small_frame_and_a_disk_that_takes_nothing_leave_the_columns_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, frame = count_maps(), build_frame()
    assert keep_in_file(frame) is frame
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "file"))
    assert keep_in_file(frame, 0) is frame
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path))
    monkeypatch.setattr(mmap, "mmap", refuse_map)
    assert keep_in_file(frame, 0) is frame
    assert count_maps() == before
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def refuse_map(*_: object, **__: object) -> mmap.mmap:
    raise OSError("this file system has no maps")


@pytest.mark.parametrize("least", [100, 2])
def test_a_column_is_built_in_parts(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_file, "LEAST_ROWS", least)
    index = pd.Index([3, 1, 4, 1, 5, 9, 2])
    texts = [f"{place} ü" for place in range(7)]
    built = build_column(iter(texts), index)
    pd.testing.assert_series_equal(built, pd.Series(texts, dtype=str, index=index))
    pd.testing.assert_series_equal(build_column([], index[:0]), pd.Series([], dtype=str, index=index[:0]))


@pytest.mark.parametrize("distinct", [1, 7, 400])
def test_values_are_numbered_in_buckets_as_all_at_once(distinct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).integers(0, distinct, 400)
    column = pd.Series([f"{one}" if one else "" for one in drawn], dtype=str)
    at_once, repeated = number_texts(column), list(list_repeated(column))
    monkeypatch.setattr(text_columns, "MOST_LISTED", 10)
    monkeypatch.setattr(text_columns, "PART_ROWS", 30)
    np.testing.assert_array_equal(number_texts(column), at_once)
    assert list(list_repeated(column)) == repeated

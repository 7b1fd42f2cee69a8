"""Columns of text are listed, numbered and searched for repeats without an object for each row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sightx_cli.data.text_columns import (
    count_texts,
    find_rows,
    find_trained,
    list_repeated,
    list_some,
    list_texts,
    number_texts,
)


def test_rows_of_one_value_are_one_object() -> None:
    listed = list_texts(pd.Series(["a" * 50, "b", "a" * 50, ""], dtype=str))
    assert listed == ["a" * 50, "b", "a" * 50, ""]
    assert listed[0] is listed[2]


def test_the_rows_of_each_value_are_counted_in_the_order_in_which_values_come() -> None:
    counts = count_texts(pd.Series(["b", "", "a", "b"], dtype=str))
    assert list(counts.items()) == [("b", 2), ("", 1), ("a", 1)]


def test_values_are_numbered_as_they_come_and_none_is_minus_one() -> None:
    assert number_texts(["b", "", "a", "b"]).tolist() == [0, -1, 2, 0]


def test_the_places_of_each_repeated_value_are_found_in_order_but_of_no_empty_one() -> None:
    assert list(list_repeated(["x", "b", "", "a", "b", "a", "", "b"])) == [[1, 4, 7], [3, 5]]
    assert list(list_repeated([])) == []


def test_of_a_long_column_some_values_are_listed_evenly_spread_and_of_a_short_one_all() -> None:
    column = pd.Series([str(number) for number in range(10)], dtype=str)
    assert list_some(column, 10) == column.tolist()
    assert list_some(column, 9) == ["0", "2", "4", "6", "8"]
    assert list_some(column, 2, np.array([False, True] * 5)) == ["1", "7"]
    assert list_some(column, 9, np.zeros(10, bool)) == []


def test_rows_are_found_and_counted_by_their_values() -> None:
    column = pd.Series(["b", "", "a", "b", "c"], dtype=str)
    found = find_rows(column, ("b", "c", "none"))
    assert found.tolist() == [True, False, False, True, True]
    assert count_texts(column, found) == {"b": 2, "c": 1}
    assert count_texts(column, ~found) == {"": 1, "a": 1}
    assert find_rows(column[:0], ("b",)).tolist() == []


def test_what_is_trained_on_is_of_no_given_valid_or_test_part() -> None:
    parts = pd.Series(["train", "", "valid", "test"], dtype=str)
    assert find_trained(parts).tolist() == [True, True, False, False]

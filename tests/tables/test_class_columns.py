"""One column for each class is read as labels, and nothing else is taken for it."""

from __future__ import annotations

import pandas as pd
import pytest

from sightx_cli.tables.class_columns import find_class_columns


def build(**columns: str) -> pd.DataFrame:
    return pd.DataFrame({name: cells.split("|") for name, cells in columns.items()}, dtype=str)


@pytest.mark.parametrize(
    ("cat", "dog"),
    [("1|0", "0|1"), ("1.0|0.0", "0.0|1.0"), ("True|FALSE", "false|true"), ("x|", "|X"), ("yes|no", "No|Yes")],
)
def test_columns_of_yes_and_no_are_classes_in_any_spelling(cat: str, dog: str) -> None:
    found = find_class_columns(build(image="a|b", cat=cat, dog=dog), ["image"])
    assert found is not None
    assert (found.names, found.are_single, found.label_rows()) == (("cat", "dog"), True, ["cat", "dog"])


def test_rows_of_several_classes_and_of_none_keep_them_all() -> None:
    found = find_class_columns(build(image="a|b|c", cat="1|0|1", dog="1|0|0"), ["image"])
    assert found is not None
    assert not found.are_single
    assert found.rows == (frozenset({"cat", "dog"}), frozenset(), frozenset({"cat"}))


def test_columns_of_other_values_are_no_classes() -> None:
    found = find_class_columns(
        build(image="a|b", age="7|1", cat="1|0", dog="0|1", uncertain="-1|0", note="|"), ["image"]
    )
    assert found is not None
    assert found.names == ("cat", "dog")


@pytest.mark.parametrize("more", [{}, {"sex": "1|0"}])
def test_fewer_than_two_columns_are_no_classes(more: dict[str, str]) -> None:
    assert find_class_columns(build(image="a|b", age="7|9", **more), ["image"]) is None


def test_what_is_something_else_is_no_class() -> None:
    table = build(image="a|b", group="0|1", cat="1|0", dog="0|1")
    found = find_class_columns(table, ["image", "group"])
    assert found is not None
    assert found.names == ("cat", "dog")

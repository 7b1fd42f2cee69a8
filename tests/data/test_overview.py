"""A fit begins by naming the classes, with their counts in each part."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sightx_cli.data.manifest import build_manifest
from sightx_cli.data.overview import describe_classes


def describe(*rows: tuple[str, str]) -> str:
    frame = pd.DataFrame([(f"{place}.png", label, part) for place, (label, part) in enumerate(rows)])
    frame.columns = pd.Index(["image", "label", "split"])
    return describe_classes(build_manifest(frame, Path("/data"), "table")).text


def test_classes_stand_with_their_number_of_images() -> None:
    assert describe(("a", ""), ("b", ""), ("a", "")) == "3 images in 2 classes: a (2), b (1)"


def test_where_there_are_parts_each_has_its_count_and_a_class_missing_from_one_shows() -> None:
    said = describe(("a", "train"), ("b", "train"), ("b", "valid"), ("a", "test"))
    assert said == "4 images in 2 classes, train + valid + test: a (1 + 0 + 1), b (1 + 1 + 0)"


def test_of_many_classes_the_largest_and_the_smallest_are_named() -> None:
    said = describe(*((f"c{number}", "") for number in range(30) for _ in range(number + 1)))
    assert said == (
        "465 images in 30 classes: the largest c29 (30), c28 (29), c27 (28); the smallest c2 (3), c1 (2), c0 (1)"
    )


def test_of_many_classes_of_one_size_the_size_is_said_once() -> None:
    said = describe(*((str(number), "") for number in range(10) for _ in range(4)))
    assert said == "40 images in 10 classes: 0 … 9 (4 each)"


def test_rows_without_a_label_are_counted_and_are_no_class() -> None:
    assert describe(("a", ""), ("", ""), ("b", "")) == "3 images in 2 classes: a (1), b (1); 1 without a label"
    assert describe(("", ""), ("", "")) == "2 images in 0 classes: 2 without a label"

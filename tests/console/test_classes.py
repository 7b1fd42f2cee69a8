"""The figures of each class in the terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from sightx_cli.console.classes import CLASSES_SHOWN, build_classes
from sightx_cli.metrics.class_report import ClassFigures

RARE = (ClassFigures("good", 0.85, 0.895, 40), ClassFigures("defect", 0.8, 0.727, 20))


def show(parts: Mapping[str, Sequence[ClassFigures]], **how: Any) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=120, markup=False, highlight=False)
    for line in build_classes(parts, **how):
        console.print(line)
    return stream.getvalue()


def list_many(count: int) -> list[ClassFigures]:
    return [ClassFigures(f"class {number}", number / count, 0.5, 10) for number in range(count)]


def test_each_class_has_its_sensitivity_with_the_images_and_its_precision_in_each_part() -> None:
    shown = show({"valid": (ClassFigures("good", 0.8, 1.0, 20), ClassFigures("defect", 1.0, 0.2, 1)), "test": RARE})
    assert "valid: sensitivity   precision   test: sensitivity   precision" in shown
    assert "defect       1.000 (1 of 1)       0.200    0.800 (16 of 20)       0.727" in shown


def test_a_class_that_is_never_predicted_is_called_so_and_one_without_images_too() -> None:
    shown = show({"valid": (ClassFigures("ants", None, None, 0), ClassFigures("defect", 0.0, None, 5))})
    assert "0.000 (0 of 5)   never predicted" in shown
    assert "no images" in shown


def test_of_many_classes_the_worst_three_are_shown_and_the_command_that_shows_all() -> None:
    shown = show({"valid": list_many(CLASSES_SHOWN + 1)}, everything="sightx runs show a")
    assert f"worst of {CLASSES_SHOWN + 1} classes" in shown
    assert [f"class {number}" in shown for number in range(5)] == [True, True, True, False, False]
    assert f"  {CLASSES_SHOWN - 2} more: sightx runs show a" in shown
    whole = show({"valid": list_many(CLASSES_SHOWN + 1)}, show_all=True)
    assert all(f"class {number}" in whole for number in range(CLASSES_SHOWN + 1))


def test_the_worst_are_those_of_the_test_part_where_there_is_one() -> None:
    valid = list_many(20)
    test = [ClassFigures(one.label, 1 - (one.sensitivity or 0), 0.5, 10) for one in valid]
    shown = show({"valid": valid, "test": test})
    assert "class 19" in shown
    assert "class 1 " not in shown


def test_without_figures_by_class_nothing_is_shown() -> None:
    assert show({"valid": ()}) == ""

"""The picture of confusions: readable for two classes and for two hundred, with names in any script."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli.report.confusion_plot import COUNTED_CLASSES, find_confusions, plot_confusion
from sightx_cli.report.fonts import OWN, draw_names

ELSEWHERE = "ᶁ"
"""A letter that matplotlib's own font lacks, and another of those that it brings has."""
NOWHERE = "\U00030000"
"""A rare Chinese character, which hardly any font has."""


@pytest.fixture(autouse=True)
def no_noise() -> Iterator[None]:
    """A warning of a missing glyph would stand on the user's screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def draw(path: Path, names: list[str], counts: Any = None) -> np.ndarray[Any, Any]:
    """The pixels of the picture of classes with these names."""
    counts = np.eye(len(names), dtype=int) if counts is None else counts
    plot_confusion(np.asarray(counts).tolist(), names, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.array(image.convert("RGB"))
    assert pixels.std() > 5
    return pixels


@pytest.mark.parametrize("count", [2, pytest.param(COUNTED_CLASSES, marks=pytest.mark.slow), COUNTED_CLASSES + 1, 210])
def test_confusions_are_drawn_for_any_number_of_classes(tmp_path: Path, count: int) -> None:
    pixels = draw(tmp_path / "a.png", [f"class {n}" for n in range(count)])
    assert 200 < max(pixels.shape) < 2600


@pytest.mark.parametrize(
    "name", ["$x^", "a_b%\\", "x" * 300, "猫", "صورة", "🐈", "<b>", "", "a\nb", ELSEWHERE, NOWHERE]
)
@pytest.mark.parametrize("count", [2, COUNTED_CLASSES + 1])
def test_confusions_are_drawn_with_any_class_names(tmp_path: Path, name: str, count: int) -> None:
    counts = np.eye(count, dtype=int)
    counts[0, 1] = 2
    draw(tmp_path / "a.png", [name, *map(str, range(count - 1))], counts)


def test_of_many_classes_the_pairs_most_often_confused_are_listed() -> None:
    counts = np.diag([10] * 40)
    counts[3, 7], counts[9, 2] = 4, 6
    assert find_confusions(counts, 20) == [(9, 2, 6, 16), (3, 7, 4, 14)]
    assert find_confusions(np.eye(40, dtype=int), 20) == []


def test_many_classes_with_and_without_confusions_look_different(tmp_path: Path) -> None:
    names, counts = [f"class {n}" for n in range(40)], np.diag([10] * 40)
    clean = draw(tmp_path / "a.png", names, counts)
    counts[3, 7] = 4
    half = clean.shape[1] // 2
    assert (clean[:, half:] != draw(tmp_path / "b.png", names, counts)[:, half:]).any()


def test_a_letter_that_another_font_has_is_drawn_with_it() -> None:
    drawn = draw_names(["ants", ELSEWHERE])
    assert drawn.names == ("ants", ELSEWHERE)
    assert drawn.families[0] == OWN
    assert len(drawn.families) == 2
    assert not drawn.note


def test_a_letter_that_no_font_has_is_replaced_by_the_number_of_its_class_and_that_is_said() -> None:
    drawn = draw_names(["ants", NOWHERE, f"{NOWHERE} dog"])
    assert drawn.names == ("ants", "no. 2", "no. 3 dog")
    assert "no font of this machine" in drawn.note


def test_names_are_cut_and_their_line_breaks_shown() -> None:
    assert draw_names(["x" * 30, "a\nb"], longest=10).names == ("x" * 9 + "…", "a·b")

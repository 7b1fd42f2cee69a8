"""The picture of a heatmap: what it shows lies where it belongs, and its words say what it is and is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sightx_cli.bundle.explainer import Heatmap
from sightx_cli.report.heatmap_picture import (
    colour_map,
    describe_answer,
    draw_heatmap,
    fit_panel,
    list_words,
    measure_border,
)

NOTHING = Heatmap("cat", np.zeros((64, 64), np.float32), "squash", 0.0, 1.0, is_exact=True)


def build(fit: str = "squash", rows: slice = slice(0, 32), value: float = 1.0) -> Heatmap:
    square = np.zeros((64, 64), np.float32)
    square[rows] = value
    return replace(NOTHING, square=square, fit=fit)


def test_what_speaks_for_is_orange_what_speaks_against_blue_and_the_rest_grey() -> None:
    panel = Image.new("RGB", (64, 64), (200, 30, 30))
    values = np.zeros((64, 64), np.float32)
    values[:20], values[-20:] = 1, -1
    colours = np.asarray(colour_map(panel, values)).astype(int)
    assert colours[5, 5, 0] > colours[5, 5, 2] + 100
    assert colours[-5, 5, 2] > colours[-5, 5, 0] + 100
    assert np.ptp(colours[32, 5]) <= 2


def test_what_the_model_does_not_see_is_hatched_and_said() -> None:
    heatmap = build("crop", slice(0, 64))
    placed = heatmap.place((200, 100))
    assert any("Hatched" in line and "image.fit=pad" in line for line in list_words(heatmap, placed))
    colours = np.asarray(colour_map(Image.new("RGB", (200, 100), "white"), placed))
    assert len(np.unique(colours[50, :40, 0])) == 2
    assert len(np.unique(colours[40:60, 90:110, 0])) == 1
    assert not any("Hatched" in line for line in list_words(build(), build().place((200, 100))))


def test_what_lies_on_the_border_that_pad_adds_is_measured_and_said() -> None:
    on_border = build("pad", slice(0, 8))  # of an image twice as wide as high, rows 0 to 16 are border
    placed = on_border.place((400, 200))
    assert measure_border(on_border, placed) == pytest.approx(1)
    assert any("black border" in line for line in list_words(on_border, placed))
    within = build("pad", slice(24, 40))
    assert measure_border(within, within.place((400, 200))) == pytest.approx(0, abs=0.02)
    assert measure_border(NOTHING, NOTHING.place((400, 200))) == 0


@pytest.mark.parametrize(
    ("heatmap", "words"),
    [
        (NOTHING, "Exact"),
        (replace(NOTHING, covered=0.7), "Shows 70% of what moves the score"),
        (replace(NOTHING, is_exact=False), "Estimated by gradients"),
        (replace(NOTHING, networks=2), "The maps of the 2 networks side by side are added"),
        (NOTHING, "Compared with the average training image"),
        (replace(NOTHING, has_average=False), "Compared with an image in which the model finds nothing"),
    ],
)
def test_the_words_say_how_much_of_the_score_is_shown_and_how_exactly(heatmap: Heatmap, words: str) -> None:
    lines = list_words(heatmap, heatmap.place((64, 64)))
    assert any(line.startswith(words) for line in lines)
    assert any("not whether it is right" in line for line in lines)
    assert sum(line.startswith(("Exact", "Estimated")) for line in lines) == (heatmap.covered == 1)


def test_the_line_above_says_the_answer_how_sure_it_is_and_what_the_map_is_of() -> None:
    said = describe_answer("cat;dog", "unfamiliar", "dog", 0.618)
    assert said == "the model says: cat;dog (unfamiliar)   ·   the map: what speaks for dog (probability 0.62)"
    assert describe_answer("", "", "dog", 0.3).startswith("the model says: none of its labels   ·")
    assert describe_answer("dog", "", "dog", 0.3, of_views=True).endswith("in the plain view")


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (4000, 3), (90, 60), (3000, 2000)])
@pytest.mark.parametrize("name", ["cat", "ひまわり", "<b>&\n\x07", "x" * 500, "\udcff", ""])
def test_images_of_any_shape_and_classes_of_any_name_are_drawn(size: tuple[int, int], name: str) -> None:
    drawn = draw_heatmap(Image.new("RGB", size, "white"), replace(build(), class_name=name or "c"), name, name)
    assert drawn.width <= 1100
    assert max(fit_panel(Image.new("RGB", size)).size) == 480

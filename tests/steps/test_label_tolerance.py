"""Which changes the labels bear is measured: a mirrored b is a d, a mirrored o is an o."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from sightx_cli.probe.tolerance import Difference, Tolerance
from sightx_cli.progress import Recorder
from sightx_cli.steps.label_tolerance import (
    FEWEST_FOR_FIRST,
    FIRST_IMAGES,
    find_tolerance,
    settle_tolerance,
    take_train_part,
)
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare

IMAGES = 110
"""Of each class: eight tenths of them train."""


def draw_letters(folder: Path, letters: str) -> Path:
    """Draw a folder of images for each letter, its size, place and colours by chance."""
    generator = random.Random(0)
    for letter in letters:
        (folder / f"letter-{letter}").mkdir(parents=True)
        for number in range(IMAGES):
            image = Image.new("RGB", (64, 64), tuple(generator.randrange(90) for _ in range(3)))
            font = ImageFont.load_default(generator.randrange(28, 48))
            place = generator.randrange(6, 26), generator.randrange(0, 12)
            colour = tuple(generator.randrange(160, 256) for _ in range(3))
            ImageDraw.Draw(image).text(place, letter, colour, font)
            image.save(folder / f"letter-{letter}" / f"{number}.png")
    return folder


def open_letters(folder: Path, letters: str) -> Preparation:
    source = draw_letters(folder / letters, letters)
    settings = ("image.size_px=64", "training.views=2", "model.backbone=tf_efficientnet_lite0")
    return prepare(Options(str(source), recipe="natural-medium", settings=settings, folds=0, probe=False), Recorder())


def test_a_change_that_makes_one_class_of_another_is_off_and_others_are_not(tmp_path: Path) -> None:
    preparation, said = open_letters(tmp_path, "bd"), Recorder()
    settled = settle_tolerance(preparation, said)
    assert settled.recipe.image.off == ("mirroring",)
    value = settled.plan.values["image.off"]
    assert (value.value, value.origin) == (["mirroring"], "probe")
    assert value.evidence.startswith("mirroring is off: mirrored images lose ")
    assert "no harm by rotated images" in value.evidence


def test_what_is_clearly_harmless_is_measured_on_few_images_and_what_is_not_on_all(tmp_path: Path) -> None:
    preparation = open_letters(tmp_path, "bd")
    part = take_train_part(preparation)
    found = find_tolerance(part, Recorder())
    assert found is not None
    images = {one.change: one.images for one in found.tolerances}
    assert list(images) == ["mirroring", "rotation", "zoom", "light"]
    assert images["mirroring"] == len(part.rows) >= FEWEST_FOR_FIRST
    assert FIRST_IMAGES in images.values()
    again = find_tolerance(part, Recorder())  # it was kept
    assert again == found


@pytest.mark.parametrize(
    ("rise", "lost", "is_borne", "is_clear"),
    [
        (Difference(0.01, 0.01), Difference(0.0, 0.02), True, True),
        (Difference(0.06, 0.03), Difference(0.0, 0.02), True, False),
        (Difference(0.30, 0.05), Difference(0.0, 0.02), True, False),
        (Difference(0.30, 0.05), Difference(0.3, 0.02), False, False),
    ],
)
def test_a_change_is_clear_where_it_is_harmless_and_nowhere_near_harm(
    rise: Difference, lost: Difference, is_borne: bool, is_clear: bool
) -> None:
    one = Tolerance("zoom", 100, 0.9, lost, Difference(0.0, 0.01), rise)
    assert (one.is_borne, one.is_clear) == (is_borne, is_clear)

"""Images that differ from those a model was trained on: said beside its figures, and nothing said of the same kind."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.levels import measure_levels
from sightx_cli.data.readers import AS_IS
from sightx_cli.evaluation.differences import compare_statuses, describe_differences, find_differences

HEADER = (400, 300, "RGB", 8, "JPEG")


def draw_images(folder: Path, factor: float, count: int = 30) -> list[str]:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(1)
    for place in range(count):
        level = generator.normal(120, 12)
        pixels = (generator.normal(level, 30, (40, 40, 3)).clip(0, 255) * factor).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    return [str(path) for path in folder.iterdir()]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 300 photographs of cats and dogs, as its fingerprint tells."""
    levels = measure_levels(draw_images(tmp_path / "trained", 1.0))
    assert levels is not None
    facts = {
        "width_px": {"min": 300, "median": 400, "max": 500},
        "height_px": {"min": 200, "median": 300, "max": 400},
        "modes": {"RGB": 300},
        "bits": {"8": 300},
        "formats": {"JPEG": 300},
        "classes": {"cat": 150, "dog": 150},
        "levels": asdict(levels),
    }
    (tmp_path / "fingerprint.json").write_text(json.dumps(facts))
    return tmp_path


def find(run: Path, paths: list[str], header: tuple[int, int, str, int, str] = HEADER, dogs: int = 15) -> list[str]:
    labels = ["dog"] * dogs + ["cat"] * (30 - dogs)
    return [one.what for one in find_differences(run, paths, [header] * 30, labels, "", AS_IS)]


def test_images_of_the_same_kind_differ_in_nothing(run: Path) -> None:
    assert find(run, draw_images(run / "new", 0.98)) == []


def test_darker_images_are_told_by_their_brightness(run: Path) -> None:
    assert find(run, draw_images(run / "dark", 0.5)) == ["brightness", "contrast"]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ((200, 150, "RGB", 8, "JPEG"), "size"),
        ((800, 600, "RGB", 8, "JPEG"), "size"),
        ((400, 300, "L", 8, "JPEG"), "colour mode"),
        ((400, 300, "RGB", 16, "JPEG"), "bits"),
        ((400, 300, "RGB", 8, "PNG"), "format"),
    ],
)
def test_other_files_are_told_by_what_their_headers_say(
    run: Path, header: tuple[int, int, str, int, str], what: str
) -> None:
    assert find(run, draw_images(run / "new", 1.0), header) == [what]


def test_other_shares_of_the_classes_are_told(run: Path) -> None:
    paths = draw_images(run / "new", 1.0)
    assert find(run, paths, dogs=25) == ["class shares"]
    assert find(run, paths, dogs=16) == []


def test_what_differs_is_said_in_one_warning_with_both_sides(run: Path) -> None:
    paths = draw_images(run / "dark", 0.5)
    found = find_differences(run, paths, [(200, 150, "RGB", 8, "JPEG")] * 30, ["cat", "dog"] * 15, "", AS_IS)
    (notice,) = describe_differences(found)
    assert notice.warns
    assert "size 200 × 150 px in the median (there 400 × 300 px in the median)" in notice.text
    assert "brightness" in notice.text


def test_a_run_that_says_nothing_of_its_images_is_compared_with_nothing(tmp_path: Path) -> None:
    assert find(tmp_path, draw_images(tmp_path / "new", 1.0)) == []


def test_many_unfamiliar_images_are_a_difference_and_few_are_none() -> None:
    assert compare_statuses(["sure"] * 9 + ["unfamiliar"]) == ()
    (found,) = compare_statuses(["sure"] * 5 + ["unfamiliar"] * 15)
    assert (found.what, found.here) == ("share unlike the training images", "75%")
    assert compare_statuses([]) == ()

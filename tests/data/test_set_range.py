"""One range for the deep values of a whole set, measured on its training images alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from sightx_cli.data import set_range
from sightx_cli.data.readers import AS_IS, Reading, Values, read_image
from sightx_cli.data.set_range import cover, measure_reading, sample_files
from sightx_cli.recipe.parts import ImageInput

WHOLE = "whole numbers"


def list_files(*rows: tuple[Path, str, str]) -> pd.DataFrame:
    return pd.DataFrame([(str(path), label, split) for path, label, split in rows], columns=["path", "label", "split"])


def save(path: Path, low: float, high: float, dtype: type = np.uint16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.tile(np.linspace(low, high, 64), (32, 1)).astype(dtype)
    if dtype is np.uint16:
        Image.fromarray(values).save(path)
    else:
        tifffile.imwrite(path, values)
    return path


def settings(**values: object) -> ImageInput:
    return ImageInput.model_validate({"size_px": 64, "fit": "crop", "profile": "none", **values})


def test_a_rare_bright_class_is_within_the_range(tmp_path: Path) -> None:
    rows = [(save(tmp_path / f"dim{number}.png", 100, 1000), "dim", "") for number in range(40)]
    rows += [(save(tmp_path / f"bright{number}.png", 100, 40_000), "bright", "") for number in range(2)]
    ((kind, low, high),) = measure_reading(list_files(*rows)).ranges
    assert (kind, low) == (WHOLE, 0) or low == 100
    assert 39_000 <= high <= 41_000


def test_brightness_between_files_is_kept(tmp_path: Path) -> None:
    dim, bright = save(tmp_path / "dim.png", 0, 1000), save(tmp_path / "bright.png", 0, 20_000)
    reading = measure_reading(list_files((dim, "a", ""), (bright, "b", "")))
    assert np.asarray(read_image(dim, reading=reading)).max() < 20
    assert np.asarray(read_image(bright, reading=reading)).max() > 240
    assert np.asarray(read_image(dim, reading=AS_IS)).max() == 255


def test_held_out_images_do_not_set_the_range(tmp_path: Path) -> None:
    rows = [(save(tmp_path / "a.png", 0, 1000), "a", "train"), (save(tmp_path / "b.png", 0, 1000), "b", "train")]
    rows += [(save(tmp_path / f"{part}.png", 0, 60_000), "a", part) for part in ("valid", "test")]
    assert measure_reading(list_files(*rows)).find_range(WHOLE) == (0, 1000)


def test_one_file_of_many_that_is_saturated_does_not_set_it() -> None:
    usual = [Values(WHOLE, 100, 4000) for _ in range(30)]
    assert cover([[*usual, Values(WHOLE, 100, 65_535)]]) == (100, 4000)
    assert cover([usual, [Values(WHOLE, 100, 65_535)] * 2]) == (100, 65_600)
    assert cover([[*usual, Values(WHOLE, 100, 9000)]]) == (100, 9000)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(112.3, 3891.2, (110, 3900)), (0.0, 0.9647, (0, 0.965)), (5, 5, (5, 5)), (-1024, 3071, (-1030, 3080))],
)
def test_it_is_rounded_outwards(low: float, high: float, expected: tuple[float, float]) -> None:
    assert cover([[Values(WHOLE, low, high)]]) == pytest.approx(expected)


def test_whole_numbers_and_fractions_have_a_range_each(tmp_path: Path) -> None:
    rows = [(save(tmp_path / "a.png", 0, 4000), "a", ""), (save(tmp_path / "b.tif", 0, 1, np.float32), "b", "")]
    assert measure_reading(list_files(*rows)).ranges == (("fractions", 0, 1), (WHOLE, 0, 4000))


def test_ranges_that_files_declare_are_the_set_s(tmp_path: Path) -> None:
    values = np.tile(np.linspace(0, 1000, 64), (32, 1)).astype(np.uint16)
    for name in "ab":
        Image.fromarray(values).save(tmp_path / f"{name}.tif", tiffinfo={280: 0, 281: 4000})
    rows = [(tmp_path / f"{name}.tif", name, "") for name in "ab"]
    assert measure_reading(list_files(*rows)).find_range(WHOLE) == (0, 4000)


def test_what_is_asked_for_is_not_measured(tmp_path: Path) -> None:
    rows = list_files((save(tmp_path / "a.png", 0, 4000), "a", ""))
    assert measure_reading(rows, settings(range="file")) == Reading(by_file=True)
    assert measure_reading(rows, settings(range=[0, 100])) == Reading(asked=(0.0, 100.0))
    assert measure_reading(rows, settings(range="lung", page=2, bands=[2])) == Reading(2, (2,), (-1350.0, 150.0))


def test_shallow_sets_are_read_as_they_are_and_photographs_not_even_opened(
    tmp_path: Path, write_photo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(write_photo(tmp_path / f"{number}.png"), "a", "") for number in range(3)]
    assert measure_reading(list_files(*rows)) == AS_IS
    monkeypatch.setattr(set_range, "measure_header", None)
    assert measure_reading(list_files((write_photo(tmp_path / "photo.jpg"), "a", ""))) == AS_IS


def test_the_sample_is_the_same_in_any_order_and_has_all_classes() -> None:
    rows = [(Path(f"/{label}/{number:04}.png"), label, "") for label in "abc" for number in range(100)]
    one, other = sample_files(list_files(*rows)), sample_files(list_files(*rows[::-1]))
    assert one == other
    assert [len(paths) for paths in one] == [21, 21, 21]


def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    rows = [
        (save(tmp_path / "a.png", 0, 4000), "a", ""),
        (tmp_path / "text.png", "b", ""),
        (tmp_path / "gone.tif", "b", ""),
    ]
    assert measure_reading(list_files(*rows)).find_range(WHOLE) == (0, 4000)


def test_a_pipe_among_the_images_is_never_waited_for(tmp_path: Path) -> None:
    sound = save(tmp_path / "sound.png", 100, 1000)
    os.mkfifo(tmp_path / "pipe.ppm")
    ((_, low, high),) = measure_reading(list_files((sound, "a", ""), (tmp_path / "pipe.ppm", "b", ""))).ranges
    assert 0 <= low < high <= 1100

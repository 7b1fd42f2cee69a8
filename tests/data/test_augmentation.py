from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightx_cli.data.augmentation import augment_image, read_view
from sightx_cli.data.geometry import fit_image
from sightx_cli.data.readers import read_image
from sightx_cli.errors import DataError
from sightx_cli.recipe.profiles import PROFILES

FITS = ["crop", "pad", "squash"]
STILL = replace(PROFILES["none"], name="still")


def draw_marked(width: int, height: int) -> Image.Image:
    """A grey image with a marked square, white, in each of its corners."""
    pixels = np.full((height, width, 3), 100, np.uint8)
    side = min(width, height) // 10
    for rows in (slice(0, side), slice(height - side, height)):
        for columns in (slice(0, side), slice(width - side, width)):
            pixels[rows, columns] = 255
    return Image.fromarray(pixels)


def count_marks(view: np.ndarray) -> int:
    """In how many quarters of the view a mark is seen."""
    bright, half = view[..., 0] > 200, len(view) // 2
    return sum(bool(bright[rows, columns].any()) for rows in (slice(half), slice(half, None))
               for columns in (slice(half), slice(half, None)))  # fmt: skip


@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=25, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300), size=st.integers(1, 64), seed=st.integers(0, 9))
def test_any_image_becomes_the_square_plain_or_augmented(
    fit: str, width: int, height: int, size: int, seed: int
) -> None:
    image = Image.new("RGB", (width, height), "white")
    plain = fit_image(image, size, fit)
    for view in (plain, augment_image(image, size, fit, PROFILES["skin"], seed)):
        assert view.shape == (size, size, 3)
        assert view.dtype == np.uint8
        assert view.flags.writeable
    assert plain.max() == 255  # however thin, it shows


def test_the_plain_view_pads_with_black_and_keeps_the_whole_image() -> None:
    view = fit_image(draw_marked(200, 100), 100, "pad")
    assert view[:25].max() == 0
    assert view[75:].max() == 0
    assert view[26:74].min() > 50
    assert count_marks(view) == 4


def test_the_plain_view_squashes_the_whole_image() -> None:
    view = fit_image(draw_marked(200, 50), 100, "squash")
    assert view.min() > 50
    assert count_marks(view) == 4


def test_the_plain_view_crops_the_middle_of_the_short_side() -> None:
    view = fit_image(draw_marked(200, 100), 112, "crop")
    assert count_marks(view) == 0
    assert view.min() > 50
    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3)))
    row = fit_image(ramp, 100, "crop")[50, :, 0]
    assert abs(int(row[0]) - 56) <= 1  # 87.5 of 200 columns, from 56.25 on
    assert abs(int(row[-1]) - 143) <= 1


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(DataError, match="allowed: crop, pad, squash"):
        fit_image(Image.new("RGB", (4, 4)), 4, "stretch")


@pytest.mark.parametrize("fit", FITS)
def test_without_a_profile_a_view_is_the_plain_reading(
    write_photo: Callable[..., Path], tmp_path: Path, fit: str
) -> None:
    path = write_photo(tmp_path / "a.png", size=(90, 70))
    plain = fit_image(read_image(path), 32, fit)
    assert np.array_equal(read_view(path, 32, fit, None, 5), plain)
    assert np.array_equal(read_view(path, 32, fit, PROFILES["none"], 5), plain)


@pytest.mark.parametrize("fit", FITS)
def test_the_same_seed_gives_the_same_view_and_another_seed_another(
    write_photo: Callable[..., Path], tmp_path: Path, fit: str
) -> None:
    path = write_photo(tmp_path / "a.jpg", size=(90, 70))
    first, again, other = (read_view(path, 32, fit, PROFILES["natural"], seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fit", ["pad", "squash"])
@pytest.mark.parametrize("seed", range(8))
def test_flips_and_turns_cut_nothing_off(fit: str, seed: int) -> None:
    profile = replace(STILL, horizontal_flip=True, vertical_flip=True, quarter_turns=True)
    assert count_marks(augment_image(draw_marked(160, 80), 64, fit, profile, seed)) == 4


@pytest.mark.parametrize("seed", range(12))
def test_zoom_never_cuts_more_than_it_says(seed: int) -> None:
    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (200, 1, 3)))
    row = augment_image(ramp, 200, "pad", replace(STILL, zoom=1.25), seed)[100, :, 0]
    assert int(row[-1]) - int(row[0]) >= 200 / 1.25 - 4


@pytest.mark.parametrize("seed", range(12))
def test_a_slanted_crop_stays_within_the_image(seed: int) -> None:
    white = Image.new("RGB", (150, 100), "white")
    assert augment_image(white, 48, "crop", replace(STILL, rotation_degrees=180.0), seed).min() >= 250


def test_a_slanted_view_turns_about_the_middle_and_keeps_its_scale() -> None:
    disc = Image.new("L", (101, 101))
    disc.putdata([255 if (x - 50) ** 2 + (y - 50) ** 2 <= 40**2 else 0 for y in range(101) for x in range(101)])
    plain = fit_image(disc.convert("RGB"), 101, "pad")
    slanted = augment_image(disc.convert("RGB"), 101, "pad", replace(STILL, rotation_degrees=45.0), 3)
    assert (np.abs(plain.astype(int) - slanted) > 128).mean() < 0.01


@pytest.mark.parametrize("shape", [(400, 400), (400, 300), (100, 60)])
def test_a_nearly_upright_slant_is_the_plain_reading(shape: tuple[int, int]) -> None:
    coarse = np.random.default_rng(0).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(shape, Image.Resampling.BICUBIC)
    for fit in ("pad", "squash"):
        slanted = augment_image(image, 90, fit, replace(STILL, rotation_degrees=1e-6), 0)
        off = np.abs(fit_image(image, 90, fit).astype(int) - slanted)
        assert off.mean() < 2


def test_light_stays_within_what_the_profile_says_and_the_border_stays_black() -> None:
    grey, profile = Image.new("RGB", (80, 40), (100, 100, 100)), replace(STILL, brightness=0.2, contrast=0.2)
    levels = [augment_image(grey, 40, "pad", profile, seed) for seed in range(20)]
    middles = [int(view[20, 20, 0]) for view in levels]
    assert min(middles) >= 79
    assert max(middles) <= 121
    assert len(set(middles)) > 5
    assert max(view[:9].max() for view in levels) == 0


@pytest.mark.parametrize(
    ("quarters", "flip_x", "flip_y"), [(q, x, y) for q in range(4) for x in (0, 1) for y in (0, 1)]
)
def test_turns_then_flips_are_one_symmetry(quarters: int, flip_x: int, flip_y: int) -> None:
    from sightx_cli.data.augmentation import Draws, choose_turn

    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    draws = Draws(bool(flip_x), bool(flip_y), quarters, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    turn = choose_turn(draws)
    expected = np.rot90(np.asarray(image), quarters)
    expected = expected[:, ::-1] if flip_x else expected
    expected = expected[::-1] if flip_y else expected
    assert np.array_equal(np.asarray(image if turn is None else image.transpose(turn)), expected)

"""Views cut on a device: those that Pillow cuts, for every profile, fit and size, and nothing that is not allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image

from sightx_cli.data.augmentation import Draws, apply_draws, draw_changes
from sightx_cli.data.decoded_set import Located
from sightx_cli.data.geometry import FITS
from sightx_cli.data.view_cuts import TURNS, measure_cuts
from sightx_cli.recipe.profiles import CHANGES, PROFILES, Profile, leave_out
from sightx_cli.train import device_views
from sightx_cli.train.device_views import Source, cut_views
from sightx_cli.train.view_numbers import tabulate_views

SIZE_PX = 64
STILL = Draws(False, False, 0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0)


def make_photo(seed: int, width: int, height: int, mode: str = "RGB") -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def locate(images: Sequence[Image.Image]) -> tuple[torch.Tensor, Located]:
    arrays, rows, start = [np.asarray(image) for image in images], [], 0
    for one in arrays:
        channels = 1 if one.ndim == 2 else 3
        rows.append((start, one.shape[0], one.shape[1], channels, float(one[::4, ::4].mean())))
        start += one.nbytes
    return torch.from_numpy(np.concatenate([one.ravel() for one in arrays])), Located.from_rows(rows)


def cut(images: Sequence[Image.Image], fit: str, profile: Profile, draws: Sequence[Draws]) -> np.ndarray:
    """Return the views (N, S, S, 3) that the device cuts."""
    pixels, located = locate(images)
    slanted = profile.rotation_degrees > 0
    cuts = measure_cuts([image.size for image in images], SIZE_PX, fit, profile.zoom, draws, slanted)
    table, shape = tabulate_views(located, cuts)
    numbers = {name: torch.from_numpy(np.array(one, np.float64)) for name, one in table.items()}
    views = cut_views(Source(pixels, numbers, shape), SIZE_PX).expand(-1, 3, -1, -1)
    return views.numpy().transpose(0, 2, 3, 1)


def cut_by_pillow(images: Sequence[Image.Image], fit: str, profile: Profile, draws: Sequence[Draws]) -> np.ndarray:
    return np.stack([apply_draws(*pair, profile.zoom, one) for *pair, one in _pair(images, fit, draws)])


def _pair(images: Sequence[Image.Image], fit: str, draws: Sequence[Draws]):
    return [(image, SIZE_PX, fit, one) for image, one in zip(images, draws, strict=True)]


@pytest.mark.parametrize("short_px", [16, 60, 110, 180])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", [*PROFILES, "upright"])
def test_each_view_is_pillows_to_within_half_a_level(name: str, fit: str, short_px: int) -> None:
    profile = PROFILES.get(name) or leave_out(PROFILES["surface"], ["rotation"])
    sizes = [(short_px, short_px), (short_px, short_px * 3 // 2), (short_px * 5 // 4, short_px), (short_px, short_px)]
    images = [make_photo(n, *size, "L" if n == 3 else "RGB") for n, size in enumerate(sizes)]
    draws = [draw_changes(profile, seed) for seed in range(len(images))]
    away = np.abs(cut(images, fit, profile, draws) - cut_by_pillow(images, fit, profile, draws))
    assert away.mean() < 0.5
    assert np.quantile(away, 0.999) <= 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_draws_that_change_nothing_give_the_pixels_as_they_are(mode: str) -> None:
    image = make_photo(0, SIZE_PX, SIZE_PX, mode)
    found = cut([image], "squash", replace(PROFILES["natural"], rotation_degrees=0.0, zoom=1.0), [STILL])
    assert np.array_equal(found[0].astype(np.uint8), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn is not None])
def test_each_symmetry_of_the_square_is_pillows_to_the_byte(turn: Image.Transpose) -> None:
    image = make_photo(0, SIZE_PX, SIZE_PX)
    turned = [replace(STILL, flip_x=x, flip_y=y, quarter_turns=n) for x in (0, 1) for y in (0, 1) for n in range(4)]
    found = cut([image] * len(turned), "squash", replace(PROFILES["aerial"], rotation_degrees=0.0, zoom=1.0), turned)
    assert any(np.array_equal(one.astype(np.uint8), np.asarray(image.transpose(turn))) for one in found)


_TURNS = Image.Transpose
ALLOWED = {
    "mirroring": {_TURNS.FLIP_LEFT_RIGHT},
    "upside-down": {_TURNS.FLIP_TOP_BOTTOM},
    "quarter-turns": {_TURNS.ROTATE_90, _TURNS.ROTATE_180, _TURNS.ROTATE_270},
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_is_made_but_those_that_are_allowed(change: str) -> None:
    profile = leave_out(PROFILES["surface"], [one for one in CHANGES if one != change])
    draws = [draw_changes(profile, seed) for seed in range(64)]
    slanted = profile.rotation_degrees > 0
    cuts = measure_cuts([(80, 80)] * 64, SIZE_PX, "squash", profile.zoom, draws, slanted)
    assert {turn for turn, way in TURNS.items() if (cuts.turns == way).all(1).any()} - {None} == ALLOWED.get(
        change, set()
    )
    assert cuts.lights.any() == (change == "light")
    assert (cuts.slants is not None) == (change == "rotation")
    if cuts.slants is not None:
        np.testing.assert_allclose(np.hypot(*cuts.slants.matrices[:, :2].T), 80 / SIZE_PX)  # the whole image
    if cuts.boxes is not None:
        assert (cuts.boxes.boxes != (0, 0, 80, 80)).any() == (change == "zoom")


def test_a_batch_that_is_cut_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [make_photo(n, 90, 70) for n in range(7)]
    draws = [draw_changes(PROFILES["skin"], seed) for seed in range(7)]
    whole = cut(images, "crop", PROFILES["skin"], draws)
    monkeypatch.setattr(device_views, "PIXELS_AT_A_TIME", 3 * 112 * 112)
    assert np.array_equal(cut(images, "crop", PROFILES["skin"], draws), whole)


def test_images_of_one_colour_stay_so() -> None:
    for level in (0, 1, 127, 254, 255):
        image = Image.new("RGB", (20, 20), (level,) * 3)
        profile = leave_out(PROFILES["natural"], ["light"])
        draws = [replace(draw_changes(profile, 3), angle_degrees=0.5)]
        found = cut([image], "crop", profile, draws)
        assert (found == level).all()


def test_every_number_of_the_draws_counts() -> None:
    image, profile = make_photo(0, 90, 120), PROFILES["surface"]
    still = cut([image], "crop", profile, [replace(STILL, angle_degrees=3.0)])
    changed = {"flip_x": True, "flip_y": True, "quarter_turns": 1, "angle_degrees": 5.0}
    changed |= {"closeness": 0.5, "shift_x": 0.9, "shift_y": 0.9, "brightness": 0.1, "contrast": 0.1}
    assert changed.keys() == {one.name for one in fields(Draws)}
    for name, value in changed.items():
        draws = replace(replace(STILL, angle_degrees=3.0), **{name: value})
        assert not np.array_equal(cut([image], "crop", profile, [draws]), still) or name == "shift_x", name

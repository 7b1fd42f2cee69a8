"""Alpha is transparency only where something can be seen through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.readers import Reading, check_image, decode_image, read_image

PHOTO = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)


def save(path: Path, alpha: np.ndarray, mode: str = "RGBA") -> Path:
    image = Image.fromarray(PHOTO).convert(mode.removesuffix("A"))
    image.putalpha(Image.fromarray(np.broadcast_to(alpha, PHOTO.shape[:2]).astype(np.uint8)))
    image.save(path)
    return path


def said(path: Path) -> list[str]:
    """What is said of a file; the check says the same."""
    remarks = decode_image(path).found.remarks
    assert check_image(path).remarks == remarks
    return [remark.text for remark in remarks]


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_alpha_that_is_0_throughout_is_ignored_and_that_is_said(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    image = Image.fromarray(PHOTO).convert("RGBA")
    image.putalpha(0)
    image.save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    assert np.array_equal(np.asarray(read_image(path)), PHOTO)
    assert said(path) == ["an alpha channel that is 0 nearly everywhere, which is ignored"]


def test_a_stray_pixel_makes_no_cut_out(tmp_path: Path) -> None:
    alpha = np.zeros((40, 50))
    alpha[3, 3] = 255
    assert np.array_equal(np.asarray(read_image(save(tmp_path / "a.png", alpha))), PHOTO)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_changes_nothing_in_silence(tmp_path: Path, mode: str) -> None:
    path = save(tmp_path / "a.png", np.array(255), mode)
    expected = Image.fromarray(PHOTO).convert(mode.removesuffix("A")).convert("RGB")
    assert np.array_equal(np.asarray(read_image(path)), np.asarray(expected))
    assert said(path) == []


def test_a_cut_out_lies_over_white_and_that_is_said(tmp_path: Path) -> None:
    alpha = np.full((40, 50), 255)
    alpha[:20] = 0
    path = save(tmp_path / "a.png", alpha)
    assert (np.asarray(read_image(path))[:20] == 255).all()
    assert said(path) == ["transparent parts, laid over white"]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_data_in_alpha_are_said_and_can_be_read_alone(tmp_path: Path, mode: str) -> None:
    data = np.random.default_rng(1).integers(60, 200, (40, 50))
    path = save(tmp_path / "a.png", data, mode)
    (remark,) = decode_image(path).found.remarks
    assert remark.warns
    assert remark.text.startswith("an alpha channel that varies as data do")
    last = len(mode)
    assert f"[{last}]" in remark.advice
    assert np.array_equal(np.asarray(read_image(path, reading=Reading(bands=(last,))))[..., 0], data)


def test_a_veil_of_one_level_is_no_data(tmp_path: Path) -> None:
    assert said(save(tmp_path / "a.png", np.array(128))) == ["transparent parts, laid over white"]


@pytest.mark.parametrize("transparency", [7, bytes([255, 0, 90, 255])])
def test_transparent_colours_of_a_palette_are_counted_as_the_pixels_are(
    tmp_path: Path, transparency: int | bytes
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).quantize(16).save(path, transparency=transparency)
    assert said(path) == ["transparent parts, laid over white"]
    image = Image.open(path).convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    assert np.array_equal(np.asarray(read_image(path)), np.asarray(expected))


def test_the_colours_asked_for_are_read_without_alpha(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array(128))
    assert np.array_equal(np.asarray(read_image(path, reading=Reading(bands=(1, 2, 3)))), PHOTO)

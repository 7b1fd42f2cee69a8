"""Small images made on the spot, for every test that needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _write_photo(path: Path, seed: int = 0, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def write_photo() -> Callable[..., Path]:
    """Writes one RGB image of smooth random colours: `write_photo(path, seed=0, size=(40, 30))`."""
    return _write_photo


@pytest.fixture
def photo_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of classes: `photo_folder(["cat", "dog"], 3)` has 3 images in each."""

    def make(classes: Sequence[str] = ("cat", "dog"), images: int = 3, under: str = "photos") -> Path:
        for number, name in enumerate(classes):
            for place in range(images):
                _write_photo(tmp_path / under / name / f"{place}.jpg", seed=100 * number + place)
        return tmp_path / under

    return make

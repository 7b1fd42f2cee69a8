"""Figures of changed images: the same images in every row, at most 200, each change what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightx_cli import evaluate
from sightx_cli.evaluation.robustness import CHANGES, MOST_IMAGES, draw_images
from sightx_cli.task.single_label import SingleLabel

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture
def photograph() -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 200, (75, 75, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_keeps_the_size_and_changes_the_pixels(photograph: Image.Image, name: str) -> None:
    changed = CHANGES[name](photograph)
    assert (changed.size, changed.mode) == (photograph.size, "RGB")
    assert np.abs(np.asarray(changed, int) - np.asarray(photograph, int)).mean() > 0.3


def test_brighter_is_brighter_by_a_fifth_and_darker_darker(photograph: Image.Image) -> None:
    mean = np.asarray(photograph).mean()
    assert np.asarray(CHANGES["20 % brighter"](photograph)).mean() == pytest.approx(1.2 * mean, rel=0.03)
    assert np.asarray(CHANGES["20 % darker"](photograph)).mean() == pytest.approx(0.8 * mean, rel=0.03)


@pytest.mark.parametrize("images", [MOST_IMAGES - 1, MOST_IMAGES, MOST_IMAGES + 1, 1_000])
def test_at_most_so_many_images_are_drawn_each_class_in_its_share(images: int) -> None:
    labels = ["rare" if place % 10 == 0 else "frequent" for place in range(images)]
    places = draw_images(SingleLabel(("frequent", "rare")), pd.DataFrame({"label": labels}), 0)
    assert len(places) == len(set(places)) == min(images, MOST_IMAGES)
    assert sum(labels[place] == "rare" for place in places) == pytest.approx(len(places) / 10, abs=1)


@pytest.mark.slow
def test_an_evaluation_measures_each_change_on_the_same_images_and_can_be_told_not_to(
    digits_run: FitResult, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = evaluate(digits, model=digits_run.run).robustness
    assert found is not None
    assert (found.images, found.drawn_from) == (72, 72)
    assert [one.change for one in found.changes] == ["unchanged", *CHANGES]
    assert evaluate(digits, model=digits_run.run, robustness=False).robustness is None

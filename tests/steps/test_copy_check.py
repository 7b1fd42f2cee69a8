"""Copies of training images in a given valid part are found before training, even re-saved ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import fit
from sightx_cli.progress import Recorder
from sightx_cli.results.fit import FitResult
from sightx_cli.steps.copy_check import ALIKE, find_likely_pairs


def draw(seed: int) -> Image.Image:
    """Blobs of light at places of chance: a picture with structure everywhere, unlike any other."""
    chance = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(96), np.arange(96))
    grey = sum(
        chance.uniform(30, 120) * np.exp(-((x - chance.uniform(0, 96)) ** 2 + (y - chance.uniform(0, 96)) ** 2) / 80)
        for _ in range(40)
    )
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 12 pictures to train on; 4 of each to measure on, half of which are those again, saved as JPEG."""
    root = tmp_path_factory.mktemp("split")
    for number, name in enumerate(("a", "b")):
        for part in ("train", "valid"):
            (root / part / name).mkdir(parents=True)
        for place in range(12):
            draw(100 * number + place).save(root / "train" / name / f"{name}{place}.png")
        for place in range(2):
            draw(100 * number + place).save(root / "valid" / name / f"copy{place}.jpg", quality=80)
            draw(100 * number + 50 + place).save(root / "valid" / name / f"other{place}.png")
    return root


@pytest.fixture
def fit_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[FitResult, Recorder]]:
    """Fits a folder's heads with the smallest packaged network at 96 px; gives the result and what was said."""
    monkeypatch.chdir(tmp_path)

    def run(source: Path, **how: Any) -> tuple[FitResult, Recorder]:
        heard = Recorder()
        settings = ["image.size_px=96", "training.views=1", "stage.0.epochs=1"]
        how["backbone"] = "tf_efficientnet_lite0"  # to larger ones such drawings look too much alike at 96 px
        return fit(source, recipe="natural-small", settings=settings, listener=heard, **how), heard

    return run


def test_re_saved_copies_are_warned_of_with_an_example_and_counted(
    split: Path, fit_split: Callable[..., tuple[FitResult, Recorder]]
) -> None:
    result, heard = fit_split(split)
    (said,) = [line for line in heard.warnings if line.startswith("leak")]
    assert result.leaks is not None
    assert result.leaks.copies is not None
    assert 2 <= result.leaks.copies.copies <= 4  # of drawings this small the network takes one or another for none
    assert said.startswith(f"leak: {result.leaks.copies.copies} of the {result.leaks.copies.looked_at} valid images")
    assert "copy" in said
    assert f"sightx inspect {split}" in said


@pytest.mark.slow
def test_without_a_cache_copies_are_found_too_and_nothing_of_the_images_is_written(
    split: Path,
    fit_split: Callable[..., tuple[FitResult, Recorder]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))
    result, _ = fit_split(split, cache=False)
    assert result.leaks is not None
    assert result.leaks.copies is not None
    assert result.leaks.copies.copies >= 2
    assert not (tmp_path / "store").exists()


def test_allowed_leaks_are_only_noted(split: Path, fit_split: Callable[..., tuple[FitResult, Recorder]]) -> None:
    result, heard = fit_split(split, allow_leaks=True)
    assert not [line for line in heard.warnings if line.startswith("leak")]
    assert [line for line in heard.notes if "copies" in line]
    assert result.leaks is not None
    assert result.leaks.allowed


@pytest.mark.slow
def test_without_copies_and_without_a_given_split_nothing_is_said(
    split: Path, tmp_path: Path, fit_split: Callable[..., tuple[FitResult, Recorder]]
) -> None:
    shutil.copytree(split, tmp_path / "clean")
    for copy in (tmp_path / "clean").rglob("copy*"):
        copy.unlink()
    result, heard = fit_split(tmp_path / "clean")
    assert (result.leaks, heard.warnings) == (None, [])
    result, _ = fit_split(tmp_path / "clean" / "train")
    assert result.leaks is None


def test_copies_within_train_are_said_and_those_with_different_labels_are_warned_of(
    split: Path, tmp_path: Path, fit_split: Callable[..., tuple[FitResult, Recorder]]
) -> None:
    root = tmp_path / "repeats"
    shutil.copytree(split / "train", root)
    for place in range(4):
        draw(place).save(root / "b" / f"wrong{place}.jpg", quality=80)
        draw(100 + place).save(root / "b" / f"again{place}.jpg", quality=80)
    _, heard = fit_split(root)
    kinds = {notice.kind: notice for notice in heard.notices}
    assert kinds["contradicting-labels"].warns
    assert "a/a" in kinds["contradicting-labels"].text
    assert "b/wrong" in kinds["contradicting-labels"].text
    assert kinds["copies"].count >= 1
    assert not kinds["copies"].warns


def test_the_same_file_with_two_labels_is_warned_of_before_training(
    split: Path, tmp_path: Path, fit_split: Callable[..., tuple[FitResult, Recorder]]
) -> None:
    root = tmp_path / "same"
    shutil.copytree(split / "train", root)
    shutil.copy(root / "a" / "a0.png", root / "b" / "x.png")
    result, heard = fit_split(root)
    (said,) = [notice for notice in heard.notices if notice.kind == "contradicting-labels"]
    assert "identical files: a/a0.png is a, b/x.png is b" in said.text
    assert f"sightx inspect {root}" in said.text
    assert said in result.notices
    assert said.to_json() in json.loads((result.run / "plan.json").read_text())["notices"]


def test_a_train_image_is_never_its_own_copy_and_a_pair_comes_once() -> None:
    train = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    train[9] = train[30] + 0.01
    left, right = find_likely_pairs(train, train, within=True)
    assert sorted((int(left[0]), int(right[0]))) == [9, 30]
    assert (left != right).all()
    assert len({tuple(sorted(pair)) for pair in zip(left.tolist(), right.tolist(), strict=True)}) == len(left)


def test_the_likeliest_pairs_come_first_and_the_unlike_are_left_out() -> None:
    chance = np.random.default_rng(0)
    train = chance.normal(size=(5000, 64)).astype(np.float32)
    valid = chance.normal(size=(20, 64)).astype(np.float32)
    valid[3] = train[4500] + 0.01 * chance.normal(size=64)
    valid[7] = train[12] + 0.4 * chance.normal(size=64)
    left, right = find_likely_pairs(train, valid)
    assert list(zip(left.tolist(), right.tolist(), strict=True))[:2] == [(4500, 3), (12, 7)]
    assert len(left) < 20
    assert ALIKE < 1

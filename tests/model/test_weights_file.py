"""What is said of a weights file on the command line is checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from sightx_cli.errors import WeightsError
from sightx_cli.model.weights_file import build_weights_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not read here")
    return path


def test_one_number_serves_all_channels(file: Path) -> None:
    asked = build_weights_file(file, mean=0.5, std=[0.25])
    assert asked is not None
    assert asked.normalisation == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_without_numbers_the_file_may_say_them(file: Path) -> None:
    asked = build_weights_file(file)
    assert asked is not None
    assert asked.normalisation is None


def test_numbers_from_0_to_255_are_refused_with_the_right_ones(file: Path) -> None:
    with pytest.raises(WeightsError, match="look like the 0 to 255 scale") as caught:
        build_weights_file(file, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    assert "--weights-mean 0.485,0.456,0.406 --weights-std 0.229,0.224,0.225" in caught.value.hint


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ((0.5, 0.5), 0.5, "--weights-mean has 2 numbers"),
        (0.5, None, "--weights-mean is given but --weights-std is not"),
        (None, 0.5, "--weights-std is given but --weights-mean is not"),
        (0.5, 0.0, "make no sense"),
        (-0.1, 0.5, "make no sense"),
        (float("nan"), 0.5, "make no sense"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    mean: float | Sequence[float] | None, std: float | Sequence[float] | None, said: str, file: Path
) -> None:
    with pytest.raises(WeightsError, match=said) as caught:
        build_weights_file(file, mean, std)
    assert caught.value.hint


@pytest.mark.parametrize("given", [{"mean": 0.5}, {"std": 0.5}, {"prefix": "teacher"}])
def test_saying_how_to_read_no_file_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="needs a weights file"):
        build_weights_file(None, **given)  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        build_weights_file(tmp_path / "absent.pth")


def test_of_one_on_each_scale_only_the_large_one_is_divided(file: Path) -> None:
    with pytest.raises(WeightsError, match="0 to 255 scale") as caught:
        build_weights_file(file, mean=127.5, std=0.5)
    assert "--weights-mean 0.5,0.5,0.5 --weights-std 0.5,0.5,0.5" in caught.value.hint


@pytest.mark.parametrize("kind", ["a named pipe", "a folder"])
def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.safetensors"
    (os.mkfifo if kind == "a named pipe" else os.mkdir)(path)
    with pytest.raises(WeightsError, match=f"{kind}, not a file"):
        build_weights_file(path)

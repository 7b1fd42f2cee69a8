"""`sightx lr-find`, as typed: its JSON, its curve, and the command that it offers next."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app

STAGES = '[{train="head",epochs=1,rate=1e-3},{train="last:1",epochs=1,rate=1e-3}]'


@pytest.fixture
def find(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Runs `sightx lr-find` on the digits with a small network, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    weights = str(random_weights("test_resnet"))
    small = ["--backbone", "test_resnet", "--weights", weights, "--engine", "torch", "--set", "image.size_px=32"]
    return lambda *args: CliRunner().invoke(app, ["lr-find", str(digits), *small, *args])


def test_json_is_alone_on_stdout_with_the_keys_of_the_contract(find: Callable[..., Any], tmp_path: Path) -> None:
    done = find("--recipe", "natural-small", "--json", "--out", "curve.png")
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    answer = json.loads(done.stdout)
    assert {"suggestions", "chosen", "plot", "seconds"} <= set(answer)
    assert set(answer["suggestions"]) == {"valley", "steep", "minimum"}
    assert answer["chosen"] == answer["recipe_rate"] == 3e-4  # the head is solved already
    assert answer["why"]
    assert answer["plot"] == str(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_people_see_the_curve_the_rates_and_the_fit_to_type_next(find: Callable[..., Any], digits: Path) -> None:
    done = find("--shift", "similar", "--set", "model.head.hidden=[8]")
    assert done.exit_code == 0, done.stderr
    for words in ("loss over learning rate", "valley", "steep", "minimum", "recipe", "chosen", "lr-find.png"):
        assert words in done.stdout
    following = shlex.split(done.stderr.partition("next")[2])
    assert following[:3] == ["sightx", "fit", str(digits)]
    for option, value in (("--shift", "similar"), ("--backbone", "test_resnet"), ("--set", "image.size_px=32")):
        assert following[following.index(option) + 1] == value
    assert f"{float(following[following.index('--rate') + 1]):.1e}" in done.stdout


def test_where_the_recipes_rate_is_kept_the_fit_to_type_next_has_no_rate(find: Callable[..., Any]) -> None:
    done = find("--shift", "similar")
    assert done.exit_code == 0, done.stderr
    assert "recipe's rate is kept" in done.stdout
    assert "--rate" not in done.stderr.partition("next")[2]


def test_the_rate_of_a_later_stage_is_not_offered_for_the_first(find: Callable[..., Any]) -> None:
    done = find("--recipe", "natural-small", "--stage", "1", "--set", f"stage={STAGES}")
    assert done.exit_code == 0
    assert "--rate" not in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--recipe", "natural-small", "--stage", "tail"], "--stage tail"),
        (["--recipe", "natural-small", "--rate", "1e-3"], "--rate"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2_and_leaves_nothing(
    find: Callable[..., Any], tmp_path: Path, args: list[str], words: str
) -> None:
    done = find(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    said = [line for line in done.stderr.splitlines() if not line.startswith("72 images in 3 classes")]
    assert words in said[0]
    assert len(said) == 2
    assert list(tmp_path.iterdir()) == []

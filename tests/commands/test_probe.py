"""`sightx probe`, as typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app


def test_it_answers_in_json_and_for_people(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [
        "--recipe",
        "natural-small",
        "--backbone",
        "test_resnet",
        "--weights",
        str(random_weights("test_resnet")),
    ]
    typed = ["probe", str(digits), *options, "--engine", "torch", "--set", "image.size_px=32", "--budget", "30"]
    done = CliRunner().invoke(app, [*typed, "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {"recipe", "choices", "chosen", "seconds", "picture"} <= set(answer)
    assert Path(answer["picture"]).is_absolute()
    shown = CliRunner().invoke(app, typed)
    assert shown.exit_code == 0, shown.stderr
    for words in ("of the train part", "model.head.taps", "★", "a head on the features of each stage", "plot"):
        assert words in shown.stdout
    assert "sightx fit" in shown.stderr


def test_a_budget_that_is_none_is_refused(digits: Path) -> None:
    done = CliRunner().invoke(app, ["probe", str(digits), "--recipe", "natural-small", "--budget", "0"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--budget 0" in done.stderr


def test_the_command_to_type_names_the_network_that_auto_found(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought("test_resnet", blind=True)
    monkeypatch.chdir(tmp_path)
    typed = ["--recipe", "natural-small", "--backbone", "auto", "--set", "image.size_px=32", "--engine", "torch"]
    done = CliRunner().invoke(app, ["probe", str(digits), *typed])
    assert done.exit_code == 0, done.stderr
    assert "--backbone tf_efficientnet_lite0 --set image.size_px=32" in done.stderr
    assert "model.backbone=" not in done.stderr

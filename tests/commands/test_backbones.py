"""`sightx backbones`, as typed, and what people see of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app

run = CliRunner().invoke
SMALL = ["--recipe", "natural-small", "--set", "image.size_px=32", "--engine", "torch"]


@pytest.fixture(autouse=True)
def short_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures speeds for a moment only."""
    monkeypatch.setattr("sightx_cli.steps.network_speed.MEASURED_SECONDS", 0.01)


def show(*typed: str) -> str:
    done = run(app, ["backbones", *typed])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_people_see_where_weights_come_from_what_a_network_costs_and_how_fast_it_is(
    networks_brought: Callable[..., Path],
) -> None:
    networks_brought("test_efficientnet")
    lines = show("--engine", "torch").splitlines()
    brought, lite0 = (next(line for line in lines if name in line) for name in ("test_efficientnet", "lite0"))
    assert lines.index(brought) < lines.index(lite0)
    assert "in the folder of weights" in brought
    assert lite0.split()[:7] == ["tf_efficientnet_lite0", "installed", "224", "px", "3.37", "M", "384"]
    assert any(line.rstrip().endswith("images/s") for line in lines)
    assert any(line.startswith("images/s: ") and "torch" in line for line in lines)


def test_no_speed_leaves_the_column_out() -> None:
    assert "images/s" not in show("--no-speed")


def test_a_network_to_download_says_what_is_needed_and_where_to_put_it(networks_brought: Callable[..., Path]) -> None:
    folder = networks_brought()
    shown = show("--online", "resnet18.tv*")
    assert "1 network that timm has weights for" in shown
    assert "to download" in shown
    assert "Downloading needs a network" in shown
    assert "huggingface.co/timm/resnet18.tv_in1k" in shown
    assert f"{folder}/resnet18.tv_in1k.safetensors" in shown


def test_the_networks_are_tried_and_the_command_to_type_names_the_one_taken(
    digits: Path, networks_brought: Callable[..., Path]
) -> None:
    networks_brought("test_resnet", blind=True)
    done = run(app, ["backbones", "--data", str(digits), *SMALL])
    assert done.exit_code == 0, done.stderr
    starred = next(line for line in done.stdout.splitlines() if line.rstrip().endswith("★"))
    assert starred.split()[0] == "tf_efficientnet_lite0"
    assert "cross-validated on 57 images of the train part (natural-small)" in done.stdout
    assert f"sightx fit {digits} --recipe natural-small --backbone tf_efficientnet_lite0 --set image" in done.stderr


def test_it_answers_in_json(digits: Path, networks_brought: Callable[..., Path]) -> None:
    networks_brought("test_resnet")
    done = run(app, ["backbones", "--data", str(digits), *SMALL, "--json"])
    answer = json.loads(done.stdout)
    assert set(answer) == {"networks", "online", "probe", "notices", "seconds"}
    keys = {"name", "weights", "source", "weights_bytes", "size_px", "parameters", "macs", "stages", "can_be_cut"}
    assert keys <= set(answer["networks"][0])
    assert answer["probe"]["command"].startswith("sightx fit ")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["--online", "resnet5O"], "the nearest names: resnet50"),
        (["--online", "x", "--data", "scans"], "--online and --data cannot be combined"),
        (["--data", "no such folder"], "no such folder"),
        (["--group-by", "patient"], "sightx backbones --data DATA"),
        (["--data", "scans", "--shift", "odd"], "allowed are similar, different"),
    ],
)
def test_wrong_input_ends_with_one_error_and_status_two(typed: list[str], found: str) -> None:
    done = run(app, ["backbones", *typed])
    assert (done.exit_code, done.stdout) == (2, "")
    assert found in done.stderr
    assert done.stderr.count("error: ") == 1

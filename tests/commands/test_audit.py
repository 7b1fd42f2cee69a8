"""`sightx audit`, as typed, and what people see of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app

SMALL = ["--set", "image.size_px=64"]
run = CliRunner().invoke


def show(*typed: str) -> str:
    done = run(app, ["audit", *typed])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_it_answers_in_json_by_the_contract() -> None:
    done = run(app, ["audit", "--recipe", "mobilenetv2-partial", "--classes", "5", *SMALL, "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {"total", "trainable", "trainable_percent", "macs", "output_shape", "stages"} <= set(answer)
    assert {"name", "parameters", "trainable", "rate"} <= set(answer["stages"][0])
    assert (answer["total"], answer["trainable"], answer["stages"][-1]["name"]) == (2_230_277, 1_212_485, "head")


def test_people_see_the_stages_what_trains_what_is_kept_and_why() -> None:
    shown = show("--recipe", "sightx-dr", *SMALL)
    for words in (
        "24,559,685 parameters, 16,016,389 trainable (65.21 %)",
        "checked: (1, 3, 64, 64) → (1, 5), finite",
        "5 classes, --classes N for yours",
        "layer4 alone holds 14,964,736",
        "trainable parameters for each",
        "the map before layer4 1024×4×4 (32.8 kB)",
    ):
        assert words in shown, words
    layer3, layer4 = (next(line for line in shown.splitlines() if name in line) for name in ("layer3", "layer4"))
    assert "frozen" in layer3
    assert "14,964,736  1e-4" in layer4


def test_the_training_stages_stand_below_and_the_last_is_the_one_shown() -> None:
    shown = show("--recipe", "mobilenetv2-progressive", "--classes", "5", *SMALL)
    assert "1,806,021 trainable in the last stage" in shown
    line = next(line for line in shown.splitlines() if "shown above" in line)
    assert line.split()[:5] == ["six-blocks", "2", "1,806,021", "80.98", "%"]
    joining = next(line for line in shown.splitlines() if "after 1 epoch" in line)
    assert joining.split()[3:] == ["892,485", "40.02", "%"]


def test_a_network_that_cannot_be_cut_says_why_in_one_line() -> None:
    lines = [line for line in show("--backbone", "pit_ti_224", *SMALL).splitlines() if line.startswith("cuts")]
    assert len(lines) == 1
    assert "not between stages: none of its stages passes on a single map" in lines[0]
    assert "cuts" not in show("--backbone", "resnet18", *SMALL)


def test_a_low_share_is_not_explained() -> None:
    shown = show("--recipe", "natural-small", "--backbone", "resnet18", *SMALL)
    assert "why   " not in shown
    assert "rule of thumb" not in shown
    assert "shown above" not in shown


def test_a_backbone_alone_says_nothing_of_rates() -> None:
    shown = show("--backbone", "resnet18", "--classes", "3", *SMALL)
    assert "1,539 in the head" in shown
    assert "rate" not in shown
    assert "--classes N for yours" not in shown


def test_backbones_are_compared_for_people_and_programs() -> None:
    typed = ["audit", "--compare", "resnet18,tf_efficientnet_lite0", *SMALL]
    shown = run(app, typed)
    for words in ("2 backbones", "11,689,512", "cached, last:2", "installed", "1,000 classes (ImageNet's"):
        assert words in shown.stdout, words
    answer = json.loads(run(app, [*typed, "--json"]).stdout)
    assert [one["name"] for one in answer["backbones"]] == ["resnet18", "tf_efficientnet_lite0"]


@pytest.mark.slow
def test_the_networks_that_papers_compare_have_their_multiply_adds() -> None:
    named = {"resnet50": 4.09e9, "mobilenetv1_100": 569e6, "mobilenetv2_100": 0.30e9, "vgg16": 15.5e9}
    answer = json.loads(run(app, ["audit", "--compare", f"{','.join(named)},tf_efficientnet_lite0", "--json"]).stdout)
    macs = {one["name"]: one["macs"] for one in answer["backbones"]}
    assert macs == pytest.approx({**named, "tf_efficientnet_lite0": macs["tf_efficientnet_lite0"]}, rel=0.02)
    assert answer["backbones"][-1]["weights"] == "packaged"


def test_the_next_command_trains_what_was_audited() -> None:
    done = run(app, ["audit", "--recipe", "natural-small", "--backbone", "resnet18", *SMALL])
    assert "sightx fit DATA --recipe natural-small --backbone resnet18 --set image.size_px=64" in done.stderr


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["--compare", "resnet18", "--recipe", "natural-small"], "--compare and --recipe cannot be combined"),
        (["--compare", "resnet18", "--backbone", "resnet18"], "--compare and --backbone cannot be combined"),
        (["runs/a", "--compare", "resnet18"], "--compare and RUN cannot be combined"),
        (["--compare", "resnet5O"], "the nearest names: resnet50"),
        (["--recipe", "natural-small", "--backbone", "vgg61"], "the nearest names: vgg"),
        (["natural-small"], "sightx audit --recipe natural-small"),
    ],
)
def test_wrong_input_ends_with_one_error_and_status_two(typed: list[str], found: str) -> None:
    done = run(app, ["audit", *typed])
    assert (done.exit_code, done.stdout) == (2, "")
    assert found in done.stderr
    assert done.stderr.count("error: ") == 1


@pytest.mark.parametrize("command", ["fit", "lr-find"])
def test_a_network_that_gives_no_numbers_is_refused_before_anything_is_computed(
    command: str, digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(random_weights("test_resnet"))
    tensors["layer2.0.conv1.weight"].fill_(3e38)
    save_file(tensors, tmp_path / "broken.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "cache"))
    typed = [command, str(digits), "--recipe", "natural-small", "--backbone", "test_resnet", "--weights"]
    done = run(app, [*typed, "broken.safetensors", "--set", "image.size_px=32", "--engine", "torch"])
    assert done.exit_code == 2, done.output
    assert "broken.safetensors): a random image gave" in done.stderr
    assert "logits that are not finite, first after" in done.stderr
    assert "frozen layers" not in done.stderr
    assert not (tmp_path / "cache" / "outputs").exists()
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())

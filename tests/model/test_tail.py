"""With `pool = "flatten"` nothing is kept of what a network computes behind its last map."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.classifier import load_classifier
from sightx_cli.model.head import build_head
from sightx_cli.model.tail import drop_behind_map


@pytest.mark.parametrize(
    ("name", "gone", "maps"),
    [("mobilenetv3_small_050", {"conv_head"}, 288), ("resnet18", set(), 512)],
)
def test_what_stands_behind_the_last_map_is_dropped_and_the_map_stays(name: str, gone: set[str], maps: int) -> None:
    network = build_network(name, 64)
    before = {parameter.partition(".")[0] for parameter, _ in network.named_parameters()}
    expected = network.eval().forward_features(torch.ones(1, 3, 64, 64))
    drop_behind_map(network, 64)
    after = {parameter.partition(".")[0] for parameter, _ in network.named_parameters()}
    assert before - after == gone
    backbone = Backbone(network, pool="flatten", size_px=64).eval()
    assert backbone.feature_count == maps * 2 * 2
    torch.testing.assert_close(backbone(torch.ones(1, 3, 64, 64)), expected.flatten(1))


def test_a_classifier_with_a_flattened_head_is_built_again_from_its_weights(tmp_path: Path) -> None:
    network = build_network("mobilenetv3_small_050", 64)
    drop_behind_map(network, 64)
    backbone = Backbone(network, pool="flatten", size_px=64)
    model = nn.Sequential(backbone, build_head(backbone.feature_count, 3, (16,), 0.1)).eval()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    head = {"pool": "flatten", "taps": "last", "hidden": [16], "dropout": 0.1}
    again = load_classifier("mobilenetv3_small_050", head, 3, 64, tmp_path / "weights.safetensors")
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(again(images), model(images))

"""A random image goes through backbone and head before any training."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.forward_check import check_forward
from sightx_cli.model.head import build_head

Open = Callable[..., Backbone]


def build(open_backbone: Open) -> nn.Sequential:
    backbone = Backbone(copy.deepcopy(open_backbone("resnet18", 64, "all").network), "all", size_px=64).eval()
    return nn.Sequential(backbone, build_head(backbone.feature_count, 3))


def test_a_sound_classifier_gives_the_shape_of_its_logits(open_backbone: Open) -> None:
    assert check_forward(build(open_backbone), 3, 64, "w.pth", images=2) == (2, 3)


def test_a_weight_that_is_no_number_is_named_with_its_file_and_stage(open_backbone: Open) -> None:
    model = build(open_backbone)
    with torch.no_grad():
        model[0].network.layer2[0].conv1.weight[0, 0, 0, 0] = float("nan")
    found = r"w\.pth: .* 3 of 3 logits that are not finite, first after layer2"
    with pytest.raises(ModelError, match=found) as caught:
        check_forward(model, 3, 64, "w.pth")
    assert "--weights FILE" in caught.value.hint


def test_a_head_that_overflows_is_named(open_backbone: Open) -> None:
    model = build(open_backbone)
    with torch.no_grad():
        model[1][-1].bias[1] = float("inf")
    with pytest.raises(ModelError, match="1 of 3 logits that are not finite, first in the head"):
        check_forward(model, 3, 64, "w.pth")


def test_logits_of_another_shape_are_named_with_the_one_due(open_backbone: Open) -> None:
    with pytest.raises(ModelError, match=r"shape \(1, 3\) instead of \(1, 4\)"):
        check_forward(build(open_backbone), 4, 64, "w.pth")


def test_the_check_leaves_modes_and_random_numbers_as_they_were(open_backbone: Open) -> None:
    model = build(open_backbone)
    model.train()
    model[0].eval()
    state = torch.random.get_rng_state()
    check_forward(model, 3, 64, "w.pth")
    assert (model.training, model[0].training, model[0].network.bn1.training, model[1].training) == (
        True,
        False,
        False,
        True,
    )
    assert torch.equal(torch.random.get_rng_state(), state)

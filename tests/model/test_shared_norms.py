"""Norms over several processes: the same modules with the same weights, and what they were again afterwards."""

from __future__ import annotations

import timm
import torch
from torch import nn

from sightx_cli.model.shared_norms import share_norms, unshare_norms


def test_shared_norms_are_the_same_modules_and_give_the_same_outputs() -> None:
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=3).eval()  # its norms apply the activation
    images, modules = torch.randn(2, 3, 64, 64), list(network.modules())
    kinds, names = [type(module) for module in modules], list(network.state_dict())
    with torch.no_grad():
        before = network(images)
        assert share_norms(network) == sum(isinstance(module, nn.SyncBatchNorm) for module in network.modules()) > 40
        assert torch.equal(network(images), before)
    assert list(network.modules()) == modules
    assert list(network.state_dict()) == names
    unshare_norms(network)
    assert [type(module) for module in network.modules()] == kinds
    with torch.no_grad():
        assert torch.equal(network(images), before)


def test_shared_norms_ask_the_other_processes_in_training() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    share_norms(network)
    assert type(network[1]).forward is nn.SyncBatchNorm.forward
    unshare_norms(network)
    assert network(torch.randn(2, 3, 4, 4)).shape == (2, 4, 4, 4)

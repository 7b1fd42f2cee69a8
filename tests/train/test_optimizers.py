"""The fused step updates as fastai's own Adam does."""

from __future__ import annotations

import copy
from functools import partial

import torch
from fastai.optimizer import Adam
from torch import nn

from sightx_cli.train.optimizers import FusedAdamW


def test_a_step_is_that_of_fastai() -> None:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 4))
    first = first.to(memory_format=torch.channels_last)
    second = copy.deepcopy(first)
    for model, build in ((first, partial(Adam, decouple_wd=True)), (second, FusedAdamW)):
        torch.manual_seed(1)
        groups = [list(model[0].parameters()), list(model[1].parameters()), list(model[3].parameters())]
        model.eval()  # else the convolution's bias changes nothing, and its gradients are noise
        optimizer = build(groups, lr=1e-2, wd=0.1)
        optimizer.freeze_to(1)
        for number in range(12):
            if number == 4:
                optimizer.unfreeze()
            for hyper, rate in zip(optimizer.hypers, (1e-3, 1e-2, 3e-2), strict=True):
                hyper["lr"] = rate / (1 + number)
                hyper["mom"] = 0.85 + 0.01 * (number % 3)
            for parameter in groups[1]:
                optimizer.state[parameter]["do_wd"] = False
            model(torch.randn(5, 3, 8, 8)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    for theirs, ours in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=1e-7)


def test_its_state_is_that_of_fastai() -> None:
    layer = nn.Linear(4, 2)
    optimizer = FusedAdamW([list(layer.parameters())])
    layer(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    assert set(optimizer.state[layer.weight]) >= {"grad_avg", "sqr_avg", "step"}
    assert optimizer.state[layer.weight]["step"] == 1

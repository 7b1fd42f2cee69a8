"""The weights file holds the whole model, and others can read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sightx_cli.bundle.exporters.safetensors_weights import SafetensorsWeights
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.product import Product
from sightx_cli.task.single_label import SingleLabel

FACTS = BundleFacts(SingleLabel(("a", "b")), 32, "squash", (0.5,), (0.5,), "test_resnet", {}, "mine")


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the user lets others do with new files."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_the_weights_file_holds_the_whole_model_and_is_read_by_whom_the_user_lets(tmp_path: Path, umask: int) -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.Sequential(nn.Linear(4, 2)))
    assert SafetensorsWeights().write(Product(model, FACTS), tmp_path) == ""
    [file] = tmp_path.iterdir()
    assert (file.name,) == SafetensorsWeights.files
    written, own = load_file(file), model.state_dict()
    assert written.keys() == own.keys()
    assert all(torch.equal(written[name], own[name]) for name in own)
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask

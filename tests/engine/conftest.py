"""A small network and two photographs, for what compiles and runs networks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli.engine.conversion import convert_module, write_graph

MEAN, STD = (0.25, 0.5, 0.375), (0.5, 0.25, 0.75)
SIZE_PX = 16


class Small(nn.Module):
    """Two convolutions: gives a map (N, 8, 8, 8) and features (N, 8) of normalised images."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.second(self.first(images).relu())
        return features, features.mean((2, 3))


@pytest.fixture
def small() -> nn.Module:
    """A small network of two outputs, `map` and `features`, of images of SIZE_PX."""
    return Small().eval()


@pytest.fixture(scope="session")
def reading() -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """The size, mean and deviation that the small network is built for."""
    return SIZE_PX, MEAN, STD


@pytest.fixture(scope="session")
def converted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network converted, which takes a second or more: `small_graph` copies it."""
    path = tmp_path_factory.mktemp("graph") / "small.xml"
    write_graph(convert_module(Small(), ["map", "features"], SIZE_PX, MEAN, STD), path)
    return path


@pytest.fixture
def small_graph(converted_once: Path, tmp_path: Path) -> Path:
    """The small network as a graph on disk, alone in its folder."""
    for suffix in (".xml", ".bin"):
        shutil.copy(converted_once.with_suffix(suffix), tmp_path)
    return tmp_path / "small.xml"


@pytest.fixture
def draw_images() -> Callable[..., Any]:
    """Draws random images: `draw_images(5)` gives (5, SIZE_PX, SIZE_PX, 3) uint8."""
    return lambda count, seed=0: np.random.default_rng(seed).integers(
        0, 256, (count, SIZE_PX, SIZE_PX, 3), dtype=np.uint8
    )


@pytest.fixture
def compute_eagerly() -> Callable[..., list[Any]]:
    """Runs a module on uint8 images in plain float32 torch, with the normalisation written out."""

    @torch.no_grad()
    def compute(module: nn.Module, images: Any, mean: Any = MEAN, std: Any = STD) -> list[Any]:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        outputs = module((pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1))
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    return compute

"""Weights that are no plain numbers, or none that a network can begin with, are refused by the tensor's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sightx_cli.errors import WeightsError
from sightx_cli.model.backbone import build_network
from sightx_cli.model.weights import Weights, find_weights
from sightx_cli.model.weights_file import build_weights_file

Change = Callable[[Tensor], Tensor]


def find(folder: Path, change: Change, only: str = "") -> Weights:
    """Find weights in a file whose filters and matrices (or the one named) are changed."""
    torch.manual_seed(0)
    network = build_network("test_resnet", 64)
    tensors = {
        name: change(tensor) if tensor.dim() > 1 and name.endswith(only) else tensor
        for name, tensor in network.state_dict().items()
    }
    torch.save(tensors, folder / "weights.pth")
    return find_weights("test_resnet", network, build_weights_file(folder / "weights.pth", 0.5, 0.5))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "conv1.0.weight, which is quantized"),
        (lambda t: t.to(torch.complex64), "conv1.0.weight, which is complex"),
        (lambda t: t.to("meta"), "conv1.0.weight, which is without values"),
        (lambda t: t.to_sparse(), "conv1.0.weight, which is sparse"),
        (lambda t: t.to(torch.int8), "conv1.0.weight, int8 in the file and float32 in the network"),
        (lambda t: t.bool(), "conv1.0.weight, bool in the file"),
        (lambda t: t * torch.nan, "values that are not finite, such as conv1.0.weight"),
        (lambda t: t.double() + 1e300, "values that are not finite, such as conv1.0.weight"),
        (lambda t: t * 0, "every weight in it is 0, conv1.0.weight first"),
        (lambda t: t[..., 0], "conv1.0.weight"),
        (lambda t: t.sum(), "conv1.0.weight"),
    ],
    ids=["quantized", "complex", "meta", "sparse", "int8", "bool", "nan", "too large", "zeros", "shape", "scalar"],
)
def test_what_no_network_can_begin_with_is_refused_by_name(tmp_path: Path, change: Change, words: str) -> None:
    with pytest.raises(WeightsError) as caught:
        find(tmp_path, change)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn])
def test_fractions_of_any_size_are_taken(tmp_path: Path, dtype: torch.dtype) -> None:
    assert find(tmp_path, lambda tensor: tensor.to(dtype)).zeros == ()


def test_a_tensor_of_zeros_among_others_is_named(tmp_path: Path) -> None:
    assert find(tmp_path, torch.zeros_like, "layer2.0.conv1.weight").zeros == ("layer2.0.conv1.weight",)


def test_an_odd_tensor_that_no_network_needs_stands_in_nobodys_way(tmp_path: Path) -> None:
    network = build_network("test_resnet", 64)
    torch.save({**network.state_dict(), "rotation": torch.ones(2, 2, dtype=torch.complex64)}, tmp_path / "w.pth")
    assert find_weights("test_resnet", network, build_weights_file(tmp_path / "w.pth", 0.5, 0.5)).match is not None


def test_a_scale_of_another_shape_beside_a_layer_is_no_crash(tmp_path: Path) -> None:
    network = build_network("test_vit", 64)
    odd = {"blocks.0.ls1.gamma": torch.tensor(1.0), "blocks.0.ls2.gamma": torch.ones(3)}
    torch.save({**network.state_dict(), **odd}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="has 2 tensors inside the network's stages"):
        find_weights("test_vit", network, build_weights_file(tmp_path / "w.pth", 0.5, 0.5))

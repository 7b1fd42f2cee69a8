"""Whether the tensors of a weights file are plain numbers, and numbers that a network can begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sightx_cli.errors import WeightsError


def name_oddity(tensor: Tensor) -> str:
    """Say why a tensor is no plain array of real numbers; "" for one that is."""
    if tensor.is_nested:
        return "nested"
    if tensor.is_quantized:
        return "quantized"
    if tensor.is_meta:
        return "without values (on torch's meta device)"
    if tensor.layout != torch.strided:
        return "sparse"
    return "complex" if tensor.is_complex() else ""


def split_plain(found: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Separate plain tensors from the others, which are given with what they are; float8 becomes float32, exactly."""
    odd = {name: oddity for name, tensor in found.items() if (oddity := name_oddity(tensor))}
    plain = {
        name: tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor
        for name, tensor in found.items()
        if name not in odd
    }
    return plain, odd


def build_oddity_error(odd: Mapping[str, str], origin: str) -> WeightsError:
    """Build the error that names what in a file is no plain array of real numbers."""
    name, oddity = next(iter(odd.items()))
    return WeightsError(
        f"{origin}: {_count(odd)} no plain real numbers, such as {name}, which is {oddity}",
        "save the network's weights as ordinary float32 tensors",
    )


def find_zero_tensors(tensors: Mapping[str, Tensor], origin: str) -> tuple[str, ...]:
    """Name the matrices and filters that hold nothing but zeros; what they feed learns slowly or never.

    Raises WeightsError where a value is not finite in float32, or where all of them hold nothing but zeros.
    """
    numbers = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    if wrong := [name for name, tensor in numbers.items() if not bool(tensor.float().isfinite().all())]:
        raise WeightsError(
            f"{origin}: {_count(wrong)} values that are not finite, such as {wrong[0]}", "give an intact weights file"
        )
    weights = {name: tensor for name, tensor in numbers.items() if tensor.dim() > 1}
    zeros = tuple(name for name, tensor in weights.items() if not bool(tensor.any()))
    if zeros and len(zeros) == len(weights):
        raise WeightsError(f"{origin}: every weight in it is 0, {zeros[0]} first", "give the file of a trained network")
    return zeros


def _count(names: Mapping[str, str] | Sequence[str]) -> str:
    return "1 tensor holds" if len(names) == 1 else f"{len(names):,} tensors hold"

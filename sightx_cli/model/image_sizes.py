"""Which sizes of images a network can take: many have windows, patches or tables of positions that must fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.model.timm_parts import PatchEmbed, timm

CANNOT_RUN = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError)
"""What timm's networks raise at a size that does not fit them, and where a forward lacks what it needs."""

UNITS_PX = (32, 14, 24, 56)
"""Sides that fit are mostly multiples of one of these: of 32, of patches of 14, of windows of 12 on patches of 2, of
windows of 7 on patches of 8."""

MOST_TRIED = 24
"""Sizes that are tried, each by building the network anew without numbers: 0.05 to 0.5 s."""


def create_network(name: str, size_px: int) -> nn.Module:
    """Create a timm network for images of a size, without classifier and pretrained weights.

    Raises one of `CANNOT_RUN` at a size that it cannot be made for, and ValueError at one whose patches would leave a
    border of the images unseen.
    """
    create = partial(timm.create_model, name, pretrained=False, num_classes=0, **fix_size(name, size_px))
    try:
        network: nn.Module = create()
    except RuntimeError:
        if not torch.empty(0).is_meta:
            raise
        with torch.device("cpu"):  # timm before 1.0.22 asks for numbers in making many a network
            network = create().to("meta")
    network.made_for_px = size_px  # type: ignore[assignment]  # weights that are read for it must fit
    patches = getattr(network, "patch_embed", None)
    if isinstance(patches, PatchEmbed) and not patches.dynamic_img_pad and size_px % patches.patch_size[0]:
        raise ValueError(f"{size_px} px are no multiple of the patches' {patches.patch_size[0]} px")
    return network


def find_name(network: Any) -> str:
    """Return the name by which timm knows a network; empty if it does not."""
    return str((getattr(network, "pretrained_cfg", None) or {}).get("architecture", ""))


def fix_size(name: str, size_px: int) -> dict[str, Any]:
    """Return what timm is to be told of the size when it creates a network: nothing where any size will do."""
    config = timm.get_pretrained_cfg(name)
    return {"img_size": size_px} if config is not None and config.fixed_input_size else {}


@contextmanager
def refusing_size(name: str, size_px: int) -> Iterator[None]:
    """Raise ModelError, naming sizes that fit, if what the block does with a network fails because of the size."""
    try:
        yield
    except CANNOT_RUN as error:
        if can_take(name, size_px):
            raise  # it is not the size
        fitting = find_sizes(name, size_px)
        if not fitting:
            raise
        sizes = " or ".join(map(str, fitting))
        hint = "give one that fits with --set image.size_px=N: N = " + sizes
        raise ModelError(f"{name} cannot take images of {size_px} px", hint) from error


def can_take(name: str, size_px: int) -> bool:
    """Tell whether a timm network runs on images of a size; nothing is computed."""
    try:
        with torch.device("meta"), torch.no_grad():
            create_network(name, size_px).eval()(torch.zeros(2, 3, size_px, size_px))
    except CANNOT_RUN:
        return False
    return True


def find_sizes(name: str, size_px: int) -> list[int]:
    """Find the sizes nearest to one that a network cannot take: at most one below and one above that it can."""
    config = timm.get_pretrained_cfg(name)
    sides = {config.input_size[-1]} if config is not None and config.input_size else set()
    sides |= {unit * (size_px // unit + step) for unit in UNITS_PX for step in (-3, -2, -1, 0, 1, 2, 3)}
    below, above = None, None
    for side in sorted((one for one in sides if one > 0), key=lambda one: abs(one - size_px))[:MOST_TRIED]:
        if side < size_px and below is None and can_take(name, side):
            below = side
        if side > size_px and above is None and can_take(name, side):
            above = side
        if below is not None and above is not None:
            break
    return [one for one in (below, above) if one is not None]

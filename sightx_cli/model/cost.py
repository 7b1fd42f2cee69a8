"""The audit: the size and cost of each stage of a network, what trains at which rate, and what is cached."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import nn

from sightx_cli.engine.torch_forward import without_gradients
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.combined_network import CombinedNetwork
from sightx_cli.model.forward_check import evaluating
from sightx_cli.model.operations import counting_operations
from sightx_cli.model.parameter_groups import HEAD, build_stage_groups, find_cut, stage_rates
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.results.audit import KeptOutput, NetworkCost, NetworkShare, StageCost, TrainingAudit

HALF_BYTES = 2
"""The cache holds float16."""


@torch.no_grad()
def measure_cost(model: nn.Sequential, size_px: int) -> NetworkCost:
    """Count a classifier's parameters, multiply-adds and activations by stage, with one random image (1, 3, S, S).

    `size_px` is the size that its backbone was built for.
    """
    backbone, head = _parts(model)
    last = len(backbone.stages)
    owner = {name: place for place, stage in enumerate(backbone.stages) for name in stage.parameters}
    device = next(model.parameters()).device
    images = torch.randn(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0)).to(device)
    with (
        evaluating(model),
        without_gradients(model),
        counting_operations(_place_modules(backbone, head, owner)) as counts,
    ):
        logits = model(images)
    held: dict[tuple[int, str], int] = {}
    for name, parameter in backbone.network.named_parameters():
        part = owner[name], _name_network(backbone, name)
        held[part] = held.get(part, 0) + parameter.numel()
    in_head = last, HEAD
    held[in_head] = sum(parameter.numel() for parameter in head.parameters())
    shapes = [
        backbone.list_map_shapes(place) if backbone.can_be_cut or place == last - 1 else () for place in range(last)
    ]
    stages = tuple(
        StageCost(
            name,
            sum(count for part, count in held.items() if part[0] == place),
            of_maps,
            sum(count for part, count in counts.macs.items() if part[0] == place),
            sum(count for part, count in counts.activation_bytes.items() if part[0] == place),
        )
        for place, (name, of_maps) in enumerate(
            zip((*backbone.stage_names, HEAD), (*shapes, (tuple(logits.shape[1:]),)), strict=True)
        )
    )
    networks = tuple(
        NetworkShare(
            key,
            sum(count for part, count in held.items() if part[1] == key),
            sum(count for part, count in counts.macs.items() if part[1] == key),
        )
        for key in (backbone.network.keys if isinstance(backbone.network, CombinedNetwork) else ())
    )
    is_finite = not logits.is_meta and bool(logits.isfinite().all())
    return NetworkCost(
        stages,
        tuple(images.shape),
        tuple(logits.shape),
        backbone.feature_count,
        is_finite,
        backbone.why_uncut,
        networks,
    )


def _name_network(backbone: Backbone, parameter: str) -> str:
    """Return which of several networks a parameter belongs to; empty where there is one."""
    return parameter.partition(".")[0] if isinstance(backbone.network, CombinedNetwork) else ""


def _parts(model: nn.Sequential) -> tuple[Backbone, nn.Module]:
    backbone, head = model
    assert isinstance(backbone, Backbone)
    return backbone, head


def _place_modules(backbone: Backbone, head: nn.Module, owner: dict[str, int]) -> dict[nn.Module, tuple[int, str]]:
    """Map each module with parameters of its own to its stage and network; every module of the head to the head."""
    places = {}
    for name, module in backbone.network.named_modules():
        own = next((key for key, _ in module.named_parameters(prefix=name, recurse=False)), None)
        if own is not None:
            places[module] = owner[own], _name_network(backbone, own)
    return places | dict.fromkeys(head.modules(), (len(backbone.stages), HEAD))


def audit_training(model: nn.Sequential, stage: TrainingStage) -> TrainingAudit:
    """Compute what a training stage trains in each stage of the network, and at which rates.

    Raises ModelError or RecipeError when the network lacks what the recipe names.
    """
    backbone, head = _parts(model)
    groups = build_stage_groups(backbone, head, stage)
    named = dict(backbone.network.named_parameters())
    place_of = {id(named[name]): place for place, part in enumerate(backbone.stages) for name in part.parameters}
    trainable = [0] * (len(backbone.stages) + 1)
    rates: list[dict[float, None]] = [{} for _ in trainable]
    joined: dict[int, int] = {}
    for group, rate in zip(groups, stage_rates(stage, groups), strict=True):
        for parameter in group.parameters if group.trained else ():
            place = place_of.get(id(parameter), len(backbone.stages))  # a share of the layers may span stages
            trainable[place] += parameter.numel()
            rates[place][rate] = None
            joined[group.joins_after] = joined.get(group.joins_after, 0) + parameter.numel()
    times = sorted(joined)
    return TrainingAudit(
        stage.title,
        stage.epochs,
        tuple(trainable),
        tuple(tuple(found) for found in rates),
        find_cut(backbone, groups),
        tuple((after, sum(joined[time] for time in times if time <= after)) for after in times),
    )


def list_cached(model: nn.Sequential, cost: NetworkCost, cuts: Sequence[int]) -> tuple[KeptOutput, ...]:
    """List what is cached of each view for training stages with these cuts; nothing where none is frozen.

    The map at each cut within the network with the taps before it, and the final features, on which the head is
    fitted directly and which a head-only stage trains on.
    """
    backbone, _ = _parts(model)
    if not any(cuts):
        return ()
    cached = []
    for cut in sorted({cut for cut in cuts if 0 < cut < len(backbone.stages)}):
        shape = cost.stages[cut - 1].output_shape
        assert shape is not None  # a network that cannot be cut has no cut within
        cached.append(_cache(f"the map before {backbone.stage_names[cut]}", shape))
        taps = sum(width for tap, width in zip(backbone.tapped, backbone.widths, strict=False) if tap < cut)
        if taps:
            cached.append(_cache(f"the taps before {backbone.stage_names[cut]}", (taps,)))
    return (*cached, _cache("the features", (backbone.feature_count,)))


def _cache(name: str, shape: tuple[int, ...]) -> KeptOutput:
    return KeptOutput(name, shape, HALF_BYTES * prod(shape))

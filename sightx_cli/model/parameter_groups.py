"""Which parameters train, and the parameter groups with the rates that a recipe promises.

There is one group per stage of the network and one for the head. Where a recipe trains only part of a stage (its last
blocks, some layers), that stage's group is split in two: the frozen rest keeps its name with " (frozen)", and what
joins later is a separate group. If a recipe gives its rates by shares of the layers, the groups are those shares.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.combined_network import CombinedNetwork, align_ends
from sightx_cli.model.stage_groups import group_children
from sightx_cli.model.timm_parts import group_parameters
from sightx_cli.recipe.names import show_value
from sightx_cli.recipe.parts import Joining, TrainingStage
from sightx_cli.recipe.rates import Rate, resolve_rates
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.shares import LayerShare, read_shares
from sightx_cli.recipe.values import SCRATCH

HEAD = "head"
NEVER = sys.maxsize
"""Instead of the epochs before a parameter joins: it is frozen."""
JOINS_AFTER = " (joins after "

LAST_CONVOLUTION = ("conv_head.", "bn2.", "norm_head.")
"""The names of the 1×1 convolution before the pooling, and its norm, in timm's EfficientNets and MobileNets."""


@dataclass(frozen=True)
class Group:
    """A parameter group: name, position of its stage (len(stages) for the head), parameters, whether it trains.

    A share of the layers may span several stages: its position is that of the earliest.
    """

    name: str
    stage: int
    parameters: tuple[nn.Parameter, ...]
    trained: bool
    joins_after: int = 0
    """Epochs of the training stage before it joins; 0 for what trains, or is frozen, from its start."""


def build_groups(
    backbone: Backbone,
    head: nn.Module,
    train: str | Sequence[str],
    rate: Rate | None = None,
    join: Sequence[Joining] = (),
) -> tuple[Group, ...]:
    """Split a classifier into groups, earliest first and the head last; the head always trains.

    `rate` matters only if it is by shares of the layers, which are then the groups. `join` is what joins later.
    Raises ModelError, listing the choices, if the network lacks what is named, or nothing is left to join.
    """
    chosen = choose_parameters(backbone, train)
    starts = dict.fromkeys(chosen, 0) | _choose_joining(backbone, chosen, join)
    named = dict(backbone.network.named_parameters())
    shares = read_shares(rate) if isinstance(rate, dict) else ()
    groups = _build_share_groups(backbone, chosen, shares) if shares else []
    for position, stage in enumerate(backbone.stages):
        parts: dict[int, list[nn.Parameter]] = {}
        for name in stage.parameters:
            parts.setdefault(starts.get(name, NEVER), []).append(named[name])
        for after in sorted(parts, reverse=True):  # the frozen part first, then what joins, the latest first
            if after == 0 and shares:
                continue  # these are in the shares
            name = _name_part(stage.name, after, len(parts))
            groups.append(Group(name, position, tuple(parts[after]), after != NEVER, after if after != NEVER else 0))
    groups.sort(key=lambda group: group.stage)
    return (*groups, Group(HEAD, len(backbone.stages), tuple(head.parameters()), True))


def build_stage_groups(backbone: Backbone, head: nn.Module, stage: TrainingStage) -> tuple[Group, ...]:
    """Split a classifier into the groups of one training stage of a recipe, like `build_groups`."""
    return build_groups(backbone, head, stage.train, stage.rate, stage.join)


def _name_part(stage: str, after: int, parts: int) -> str:
    """Name the part of a stage that trains after `after` epochs, if the stage has `parts` parts."""
    if after == NEVER:
        return stage if parts == 1 else f"{stage} (frozen)"
    return f"{stage}{JOINS_AFTER}{after})" if after else stage


def _choose_joining(backbone: Backbone, chosen: frozenset[str], join: Sequence[Joining]) -> dict[str, int]:
    """Return the parameters that join later, each with the number of epochs before it joins."""
    joining: dict[str, int] = {}
    for one in join:
        names = choose_parameters(backbone, one.train) - chosen - joining.keys()
        if not names:
            raise ModelError(
                f"join: train = {show_value(one.train)} after {one.after} epochs: all of that trains already",
                "name a part that does not train yet, such as last-blocks:N with a larger N, or remove the entry",
            )
        joining.update(dict.fromkeys(names, one.after))
    return joining


def _build_share_groups(backbone: Backbone, chosen: frozenset[str], shares: Sequence[LayerShare]) -> list[Group]:
    """Return a group for each share of the leaf layers that trains; refuses shares that leave a trained layer out."""
    named = dict(backbone.network.named_parameters())
    stage_of = {name: position for position, stage in enumerate(backbone.stages) for name in stage.parameters}
    groups, left = [], set(chosen)
    for share in shares:
        mine = {layer for one in _list_layers(backbone) for layer in one[share.slice_layers(len(one))]}
        names = [name for name in stage_of if name in chosen and _layer_of(name) in mine]
        left.difference_update(names)
        if names:
            groups.append(Group(share.key, stage_of[names[0]], tuple(named[name] for name in names), True))
    if left:
        without = next(name for name in stage_of if name in left)
        raise ModelError(
            f"rate: {_layer_of(without)} trains and is in none of {', '.join(share.key for share in shares)}",
            "make the shares cover everything that trains: 0 to 100 % if all layers do",
        )
    return groups


def _layer_of(parameter: str) -> str:
    """Return the leaf layer that a parameter belongs to."""
    return parameter.rpartition(".")[0]


def find_cuts(backbone: Backbone, head: nn.Module, recipe: Recipe) -> list[int]:
    """Return where each stage of the recipe cuts the network; its groups and rates are resolved and checked here."""
    cuts = []
    for stage in recipe.stage:
        groups = build_stage_groups(backbone, head, stage)
        stage_rates(stage, groups)
        cuts.append(find_cut(backbone, groups))
    return cuts


def stage_rates(stage: TrainingStage, groups: Sequence[Group]) -> list[float]:
    """Return the rate of each group, including those that join later; 0 if it is frozen."""
    rates: dict[str, float] = {}
    for after, rate in ((0, stage.rate), *((one.after, one.rate) for one in stage.join)):
        mine = [group.name for group in groups if group.trained and group.joins_after == after]
        resolved = resolve_rates(rate, [name.partition(JOINS_AFTER)[0] for name in mine])
        rates.update(zip(mine, resolved.values(), strict=True))
    return [rates[group.name] if group.trained else 0.0 for group in groups]


def find_cut(backbone: Backbone, groups: Sequence[Group]) -> int:
    """Return the boundary after which something trains: the frozen prefix is stages 0 … cut − 1.

    A network that cannot be cut has only the last boundary: its prefix is everything or nothing.
    """
    cut = min(group.stage for group in groups if group.trained)
    return cut if backbone.can_be_cut or cut == len(backbone.stages) else 0


def choose_parameters(backbone: Backbone, train: str | Sequence[str]) -> frozenset[str]:
    """Return the names of the backbone's parameters that a training stage trains.

    `train` is `head`, `last:N` (stages), `last-blocks:N`, `last:P%` (of the leaf layers), `all` or `scratch`, or names.
    Raises ModelError, listing the choices, when the network does not have them.
    """
    if not isinstance(train, str):
        return _parameters_of_modules(backbone, train)
    if train == "head":
        return frozenset()
    if train in ("all", SCRATCH):
        return frozenset(name for stage in backbone.stages for name in stage.parameters)
    if match := re.fullmatch(r"last:(\d+)", train):
        count, stages = int(match[1]), backbone.stages
        if not 1 <= count <= len(stages):
            raise ModelError(
                f'train = "{train}": the network has {len(stages)} stages ({", ".join(backbone.stage_names)})',
                f'give "last:N" with N from 1 to {len(stages)}, or "all"',
            )
        return frozenset(name for stage in stages[-count:] for name in stage.parameters)
    if match := re.fullmatch(r"last-blocks:(\d+)", train):
        return _last_blocks(backbone, int(match[1]))
    if match := re.fullmatch(r"last:(\d+(?:\.\d+)?)%", train):
        return _last_share(backbone, float(match[1]) / 100)
    return _parameters_of_modules(backbone, (train,))


def _parameters_of_modules(backbone: Backbone, names: Sequence[str]) -> frozenset[str]:
    """Return the parameters of stages or modules given by name; `head` may be among them."""
    by_stage = {stage.name: stage.parameters for stage in backbone.stages}
    network = backbone.network
    modules = {name for name, _ in network.named_modules() if name}
    keys = network.keys if isinstance(network, CombinedNetwork) else ()
    chosen: set[str] = set()
    for name in names:
        if name == HEAD:
            continue
        if name in by_stage:
            chosen.update(by_stage[name])
        elif found := [one for one in (name, *(f"{key}.{name}" for key in keys)) if one in modules]:
            chosen.update(f"{one}.{p}" for one in found for p, _ in network.get_submodule(one).named_parameters())
        else:
            raise ModelError(
                f'train = "{name}": the network has no such stage or module',
                f"its stages: {', '.join(backbone.stage_names)}; a module is named as timm names it",
            )
    return frozenset(chosen)


def _last_blocks(backbone: Backbone, count: int) -> frozenset[str]:
    """Return the parameters of the last N blocks."""
    blocks = list_blocks(backbone.network)
    if not 1 <= count <= len(blocks):
        raise ModelError(
            f'train = "last-blocks:{count}": the network has {len(blocks)} blocks',
            f'give "last-blocks:N" with N from 1 to {len(blocks)}, or "all"',
        )
    return frozenset(name for block in blocks[-count:] for name in block)


def list_blocks(network: Any) -> list[list[str]]:
    """Return the parameter names of each block of a network, earliest first.

    Blocks are timm's fine groups, with two differences: the 1×1 convolution before the pooling is a block of its own
    in every family, as the papers count it (timm adds it to the last block, but not in MobileNetV3), and a group that
    holds no weight matrix (a last norm, VGG's BatchNorms) belongs to the block before it. Where timm groups nothing
    (PoolFormer), the network's children are its blocks. Of networks side by side a block is one of each, counted from
    the end.
    """
    if isinstance(network, CombinedNetwork):
        each = [
            [[f"{key}.{name}" for name in block] for block in list_blocks(member)]
            for key, member in zip(network.keys, network.members, strict=True)
        ]
        begins = align_ends([len(one) for one in each])
        return [
            [name for one, begin in zip(each, begins, strict=True) if begin <= place for name in one[place - begin]]
            for place in range(max(map(len, each)))
        ]
    if not hasattr(network, "group_matcher"):
        children = group_children(network)
        *earlier, last = (list(one) for one in children.groups)
        return [*earlier, [*last, *children.unmatched]]
    groups = group_parameters(network, network.group_matcher(coarse=False), reverse=True)
    by_place: dict[tuple[bool, int], list[str]] = {}
    for name, group in groups.items():
        by_place.setdefault((name.startswith(LAST_CONVOLUTION), group), []).append(name)
    dimensions = {name: parameter.dim() for name, parameter in network.named_parameters()}
    blocks: list[list[str]] = []
    for place in sorted(by_place):
        if blocks and all(dimensions[name] < 2 for name in by_place[place]):
            blocks[-1].extend(by_place[place])
        else:
            blocks.append(by_place[place])
    return blocks


def _last_share(backbone: Backbone, share: float) -> frozenset[str]:
    """Return the parameters of the later share of the leaf layers (modules without children that hold parameters)."""
    order = [name for stage in backbone.stages for name in stage.parameters]
    kept = {layer for one in _list_layers(backbone) for layer in one[len(one) - math.floor(share * len(one) + 0.5) :]}
    return frozenset(name for name in order if _layer_of(name) in kept)


def _list_layers(backbone: Backbone) -> list[list[str]]:
    """Return the leaf layers that hold parameters, earliest first: one list for each network of the backbone."""
    layers: dict[str, dict[str, None]] = {}
    for name in (name for stage in backbone.stages for name in stage.parameters):
        network = name.partition(".")[0] if isinstance(backbone.network, CombinedNetwork) else ""
        layers.setdefault(network, {})[_layer_of(name)] = None
    return [list(one) for one in layers.values()]

"""Which parameters train, and the parameter groups whose rates a recipe promises.

There is one group per stage of the network and one for the head. Where a recipe trains only part of a stage (its last
blocks, some layers), that stage's group is split in two: the frozen rest keeps its name with " (frozen)".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from timm.models._manipulate import group_with_matcher
from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone
from sightx_cli.plan.rates import resolve_rates
from sightx_cli.plan.recipe import Recipe, TrainingStage

HEAD = "head"

LAST_CONVOLUTION = ("conv_head.", "bn2.", "norm_head.")
"""What timm's EfficientNets and MobileNets name their 1×1 convolution before the pooling, and its norm."""


@dataclass(frozen=True)
class Group:
    """A parameter group: name, position of its stage (len(stages) for the head), parameters, whether it trains."""

    name: str
    stage: int
    parameters: tuple[nn.Parameter, ...]
    trained: bool


def build_groups(backbone: Backbone, head: nn.Module, train: str | Sequence[str]) -> tuple[Group, ...]:
    """Split a classifier into groups, earliest first and the head last; the head always trains."""
    chosen = choose_parameters(backbone, train)
    named = dict(backbone.network.named_parameters())
    groups = []
    for position, stage in enumerate(backbone.stages):
        trained = tuple(named[name] for name in stage.parameters if name in chosen)
        frozen = tuple(named[name] for name in stage.parameters if name not in chosen)
        if frozen:
            groups.append(Group(f"{stage.name} (frozen)" if trained else stage.name, position, frozen, False))
        if trained:
            groups.append(Group(stage.name, position, trained, True))
    return (*groups, Group(HEAD, len(backbone.stages), tuple(head.parameters()), True))


def find_cuts(backbone: Backbone, head: nn.Module, recipe: Recipe) -> list[int]:
    """Return where each stage of the recipe cuts the network; its groups and rates are resolved, and refused, here."""
    cuts = []
    for stage in recipe.stage:
        groups = build_groups(backbone, head, stage.train)
        stage_rates(stage, groups)
        cuts.append(find_cut(backbone, groups))
    return cuts


def stage_rates(stage: TrainingStage, groups: Sequence[Group]) -> list[float]:
    """Return the rate of each of the learner's groups, 0 where it is frozen."""
    rates = resolve_rates(stage.rate, [group.name for group in groups if group.trained])
    return [rates[group.name] if group.trained else 0.0 for group in groups]


def find_cut(backbone: Backbone, groups: Sequence[Group]) -> int:
    """Return the boundary behind which something trains: the frozen prefix is stages 0 … cut − 1.

    A network that cannot be cut has only its last boundary: its prefix is everything or nothing.
    """
    cut = min(group.stage for group in groups if group.trained)
    return cut if backbone.can_be_cut or cut == len(backbone.stages) else 0


def choose_parameters(backbone: Backbone, train: str | Sequence[str]) -> frozenset[str]:
    """Return the names of the backbone's parameters that a training stage trains.

    `train` is `head`, `last:N` (stages), `last-blocks:N`, `last:P%` (of the leaf layers), `all`, or module names.
    Raises ModelError, naming the choices, when the network does not have them.
    """
    if not isinstance(train, str):
        return _parameters_of_modules(backbone, train)
    if train == "head":
        return frozenset()
    if train == "all":
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
    modules = {name for name, _ in backbone.network.named_modules() if name}
    chosen: set[str] = set()
    for name in names:
        if name == HEAD:
            continue
        if name in by_stage:
            chosen.update(by_stage[name])
        elif name in modules:
            chosen.update(f"{name}.{p}" for p, _ in backbone.network.get_submodule(name).named_parameters())
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
    holds no weight matrix (a last norm, VGG's BatchNorms) belongs to the block before it.
    """
    if not hasattr(network, "group_matcher"):
        return [[name for name, _ in network.named_parameters()]]
    groups = group_with_matcher(network.named_parameters(), network.group_matcher(coarse=False), reverse=True)
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
    leaves = list(dict.fromkeys(name.rpartition(".")[0] for name in order))
    kept = set(leaves[len(leaves) - math.floor(share * len(leaves) + 0.5) :])
    return frozenset(name for name in order if name.rpartition(".")[0] in kept)

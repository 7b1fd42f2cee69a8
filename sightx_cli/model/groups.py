"""Which parameters train, and the parameter groups whose rates a recipe promises.

There is one group per stage of the network and one for the head. Where a recipe trains only part of a stage (its last
blocks, some layers), that stage's group is split in two: the frozen rest keeps its name with " (frozen)".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from timm.models._manipulate import group_with_matcher
from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone

HEAD = "head"


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
        if count > len(stages):
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
    """Return the parameters of the last N blocks (timm's fine groups) and of all that stands behind them."""
    network = backbone.network
    groups = group_with_matcher(network.named_parameters(), network.group_matcher(coarse=False), reverse=True)
    ordered = sorted(set(groups.values()))
    if count > len(ordered):
        raise ModelError(
            f'train = "last-blocks:{count}": the network has {len(ordered)} blocks',
            f'give "last-blocks:N" with N from 1 to {len(ordered)}, or "all"',
        )
    last = set(ordered[-count:])
    return frozenset(name for name, group in groups.items() if group in last)


def _last_share(backbone: Backbone, share: float) -> frozenset[str]:
    """Return the parameters of the later share of the leaf layers (modules without children that hold parameters)."""
    order = [name for stage in backbone.stages for name in stage.parameters]
    leaves = list(dict.fromkeys(name.rpartition(".")[0] for name in order))
    kept = set(leaves[len(leaves) - math.floor(share * len(leaves) + 0.5) :])
    return frozenset(name for name in order if name.rpartition(".")[0] in kept)

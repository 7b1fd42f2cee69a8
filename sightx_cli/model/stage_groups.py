"""Which parameters timm counts as one part of a network, and what the parts are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from torch import nn

from sightx_cli.model.timm_parts import group_parameters

STRANGER = "\0"
"""The name of a parameter that no matcher knows: all such parameters end in one group."""

CONTAINER = "features."
"""The module in which DenseNet keeps all others: left out of their names."""

CLASSIFIER = "head"
"""The classifier's name, wherever a network calls its own last part so."""


@dataclass(frozen=True)
class StageGroups:
    """The names of a network's parameters in timm's coarse groups, earliest first, and of those in none."""

    groups: tuple[tuple[str, ...], ...]
    unmatched: tuple[str, ...]
    matrices: frozenset[str]
    """Those of the parameters that have two dimensions or more."""

    @property
    def are_single_layers(self) -> bool:
        """Whether each group holds one weight matrix, as in VGG: no stages."""
        return len(self.groups) > 1 and all(sum(name in self.matrices for name in one) == 1 for one in self.groups)


def group_stages(network: Any) -> StageGroups:
    """Group a network's parameters as timm's coarse matcher does; without one, by the network's children.

    A group that holds no weight matrix, such as a transformer's last norm, belongs to the group before it.
    """
    try:
        matcher = network.group_matcher(coarse=True)
    except (AttributeError, AssertionError, NotImplementedError):  # timm has none for this network, or no coarse one
        return group_children(network)
    with_stranger: Any = SimpleNamespace(named_parameters=lambda: [*network.named_parameters(), (STRANGER, None)])
    places = group_parameters(with_stranger, matcher, reverse=True)
    nowhere = places.pop(STRANGER)
    return _arrange_groups(network, {name: place for name, place in places.items() if place != nowhere})


def group_children(network: Any) -> StageGroups:
    """Group a network's parameters by its children, and those of a list or sequence by the children of that."""
    children = dict(network.named_children())
    owners: dict[str, int] = {}
    places: dict[str, int] = {}
    for name, _ in network.named_parameters():
        child, *rest = name.split(".")
        if child not in children:
            continue
        owner = f"{child}.{rest[0]}" if isinstance(children[child], (nn.Sequential, nn.ModuleList)) else child
        places[name] = owners.setdefault(owner, len(owners))
    return _arrange_groups(network, places)


def _arrange_groups(network: Any, places: Mapping[str, int]) -> StageGroups:
    """Arrange parameters by the numbers of their groups."""
    names = [name for name, _ in network.named_parameters()]
    matrices = frozenset(name for name, parameter in network.named_parameters() if parameter.dim() > 1)
    unmatched = tuple(name for name in names if name not in places)
    owned: dict[int, list[str]] = {}
    for name, place in places.items():
        owned.setdefault(place, []).append(name)
    groups: list[list[str]] = []
    for place in sorted(owned):
        if groups and matrices.isdisjoint(owned[place]):
            groups[-1] += owned[place]
        else:
            groups.append(owned[place])
    if not groups:
        return StageGroups((tuple(names),), (), matrices)
    return StageGroups(tuple(tuple(one) for one in groups), unmatched, matrices)


def name_groups(groups: Sequence[Sequence[str]], entries: Sequence[str]) -> list[str]:
    """Name each group after the shortest module path that holds all its parameters and no other group's.

    Where there is none, the first is the stem, and any other bears the name of the module at its entry, if known.
    """
    names: list[str] = []
    for position, parameters in enumerate(groups):
        others = [name for place, other in enumerate(groups) if place != position for name in other]
        parts = parameters[0].split(".")[:-1]
        paths = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
        own = (path for path in paths if _holds_all(path, parameters) and not _holds_any(path, others))
        entry = entries[position] if position < len(entries) else f"group{position}"
        name = next((path for path in own if path != CLASSIFIER), "stem" if position == 0 else entry)
        inner = name.removeprefix(CONTAINER)
        names.append(name if inner[0].isdigit() else inner)
    return names


def _holds_all(path: str, parameters: Sequence[str]) -> bool:
    """Tell whether a module of this path holds all these parameters."""
    return all(_holds(path, parameter) for parameter in parameters)


def _holds_any(path: str, parameters: Sequence[str]) -> bool:
    return any(_holds(path, parameter) for parameter in parameters)


def _holds(path: str, parameter: str) -> bool:
    return parameter.startswith(path + ".")

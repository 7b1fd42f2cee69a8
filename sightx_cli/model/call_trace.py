"""What one forward of a network did: which modules it called in which order, and what each tensor was computed from.

timm says in words of its own what a network's parts are; only a forward shows how values pass between them. Autograd's
graph of that forward says without numbers what no table can: whether all that follows a place reads the images through
the one tensor there, and which parameters were needed up to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge, saved_tensors_hooks

PLAIN_CONSTANTS = (type(None), bool)
"""Of these types an argument is the same at any size and for any image."""


@dataclass(frozen=True)
class Value:
    """A tensor as autograd knows it, without its numbers: what was computed where, and its shape.

    What changes it in place makes another value of it.
    """

    node: Any
    output: int
    shape: tuple[int, ...]


@dataclass(eq=False)
class Call:
    """One call of a module: when it began and ended, what it was given first and what it returned."""

    name: str
    module: nn.Module
    began: int
    given: Value | None
    """The first positional argument, where that is a tensor."""
    constants: Mapping[str, Any] | None
    """The keyword arguments, where nothing else was given but constants; None if there was more."""
    ended: int = 0
    result: Any = None
    """What it returned, each tensor that has a gradient as a value."""


@dataclass(frozen=True)
class Trace:
    """One forward of a network's features: the calls in the order in which they began, and the result."""

    images: Value
    features: Any
    """A map as a rule; a list of maps of some networks."""
    result: Any
    """The same, each tensor as a value."""
    calls: tuple[Call, ...]
    ancestry: Ancestry

    def is_derived(self, result: Any) -> bool:
        """Tell whether a result was computed from the images' values, and not from their shape alone."""
        return any(self.ancestry.is_derived(one.node) for one in list_values(result))


@dataclass
class Ancestry:
    """Which nodes of autograd's graph the images lead to, and what the others are computed from."""

    images: Any
    """The node of the images themselves."""
    known: dict[Any, bool] = field(default_factory=dict)

    def is_derived(self, node: Any) -> bool:
        """Tell whether the images lead to a node."""
        waiting = [node]
        while waiting:
            here = waiting[-1]
            before = [one for one, _ in here.next_functions if one is not None]
            unknown = [one for one in before if one not in self.known]
            if unknown and here not in self.known:
                waiting += unknown
                continue
            self.known[here] = here is self.images or any(self.known[one] for one in before)
            waiting.pop()
        return self.known[node]

    def needs(self, result: Value, value: Value) -> bool:
        """Tell whether a result was computed from the images, and from nothing of them but through `value`."""
        return self.is_derived(result.node) and self.images not in collect_nodes(result.node, set(), value)


def collect_nodes(node: Any, passed: set[Any], but: Value | None = None) -> list[Any]:
    """List a node and those it was computed from, but for what was `passed`, and for what lies behind a value.

    All of them join `passed`.
    """
    found, waiting = [], [node]
    while waiting:
        here = waiting.pop()
        if here in passed:
            continue
        passed.add(here)
        found.append(here)
        for one, output in here.next_functions:
            if one is not None and not (but is not None and one is but.node and output == but.output):
                waiting.append(one)
    return found


def list_values(result: Any) -> Iterator[Value]:
    """Yield the values within tuples, lists and dictionaries."""
    if isinstance(result, Value):
        yield result
    for one in result.values() if isinstance(result, dict) else result if isinstance(result, (tuple, list)) else ():
        yield from list_values(one)


def note_values(result: Any) -> Any:
    """Put a value in the place of each tensor that has a gradient, in tuples, lists and dictionaries too."""
    if isinstance(result, Tensor) and result.requires_grad:
        edge = get_gradient_edge(result)
        return Value(edge.node, edge.output_nr, tuple(result.shape))
    if isinstance(result, (tuple, list)):
        return [note_values(one) for one in result] if isinstance(result, list) else tuple(map(note_values, result))
    if isinstance(result, dict):
        return {key: note_values(one) for key, one in result.items()}
    return result


def _keep_nothing(_: Any) -> Any:
    """Keep none of the numbers that a backward pass would need."""


def trace_calls(network: Any, images: Tensor) -> Trace:
    """Run a network's `forward_features` once on images (N, 3, S, S), in its present mode, and note what it calls.

    Whatever its parameters say of gradients, autograd sees them all meanwhile; it keeps no numbers.
    """
    calls: list[Call] = []
    running: list[Call] = []
    clock = iter(range(1 << 62))
    names = {module: name for name, module in network.named_modules() if name}

    def note_start(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        is_alone = len(given) == 1 and all(isinstance(one, PLAIN_CONSTANTS) for one in named.values())
        first = note_values(given[0]) if given else None
        first = first if isinstance(first, Value) else None
        calls.append(Call(names[module], module, next(clock), first, dict(named) if is_alone else None))
        running.append(calls[-1])

    def note_end(_module: nn.Module, _given: tuple[Any, ...], result: Any) -> None:
        call = running.pop()
        call.ended, call.result = next(clock), note_values(result)

    hooks: list[Any] = []
    had_gradients = {one: one.requires_grad for one in network.parameters()}
    try:
        for parameter in had_gradients:
            parameter.requires_grad_(True)
        for module in names:
            hooks.append(module.register_forward_pre_hook(note_start, with_kwargs=True))
            hooks.append(module.register_forward_hook(note_end))
        with torch.enable_grad(), saved_tensors_hooks(_keep_nothing, _keep_nothing):
            start = images.detach().requires_grad_()
            of_images = note_values(start)
            features = network.forward_features(start)
            result = note_values(features)
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, had in had_gradients.items():
            parameter.requires_grad_(had)
    return Trace(of_images, features, result, tuple(calls), Ancestry(of_images.node))

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

PLAIN_CONSTANTS = (type(None), bool)
"""Of these types an argument is the same at any size and for any image."""


@dataclass(eq=False)
class Call:
    """One call of a module: when it began and ended, what it was given first and what it returned."""

    name: str
    module: nn.Module
    began: int
    given: Tensor | None
    """The first positional argument, where that is a tensor."""
    given_version: int
    given_node: Any
    """Where autograd computed it: taken down at once, for an operation in place puts another in its stead."""
    constants: Mapping[str, Any] | None
    """The keyword arguments, where nothing else was given but constants; None if there was more."""
    ended: int = 0
    result: Any = None
    result_version: int = -1


@dataclass(frozen=True)
class Trace:
    """One forward of a network's features: the calls in the order in which they began, and the result."""

    images: Tensor
    result: Any
    """A map (1, …) as a rule; a list of maps of some networks."""
    calls: tuple[Call, ...]
    ancestry: Ancestry

    def is_derived(self, call: Call) -> bool:
        """Tell whether a call's result was computed from the images' values, and not from their shape alone."""
        return any(self.ancestry.is_derived(one.grad_fn) or one is self.images for one in list_tensors(call.result))


@dataclass
class Ancestry:
    """Which nodes of autograd's graph the images lead to."""

    images: Tensor
    known: dict[Any, bool] = field(default_factory=dict)

    def is_derived(self, node: Any) -> bool:
        """Tell whether the images lead to a node."""
        if node is None:
            return False
        waiting = [node]
        while waiting:
            here = waiting[-1]
            if here in self.known:
                waiting.pop()
                continue
            before = [one for one, _ in here.next_functions if one is not None]
            unknown = [one for one in before if one not in self.known]
            if unknown:
                waiting += unknown
                continue
            is_images = getattr(here, "variable", None) is self.images
            self.known[here] = is_images or any(self.known[one] for one in before)
            waiting.pop()
        return self.known[node]

    def find_leaves(self, node: Any, but: set[Any]) -> list[Tensor]:
        """Return the leaves that a node was computed from, but for what lies behind the nodes `but`, which grows."""
        leaves, waiting = [], [node] if node is not None else []
        while waiting:
            here = waiting.pop()
            if here in but:
                continue
            but.add(here)
            if hasattr(here, "variable"):
                leaves.append(here.variable)
            waiting += [one for one, _ in here.next_functions if one is not None]
        return leaves


def list_tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors within tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from list_tensors(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from list_tensors(one)


def trace_calls(network: Any, images: Tensor) -> Trace:
    """Run a network's `forward_features` once on images (N, 3, S, S), in its present mode, and take down what it calls.

    Whatever its parameters say of gradients, autograd sees them all meanwhile.
    """
    calls: list[Call] = []
    running: list[Call] = []
    clock = iter(range(1 << 62))
    names = {module: name for name, module in network.named_modules() if name}

    def note_start(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        first = given[0] if given and isinstance(given[0], Tensor) else None
        rest = [*given[1:], *named.values()]
        constants = dict(named) if len(given) == 1 and all(isinstance(one, PLAIN_CONSTANTS) for one in rest) else None
        version, node = (-1, None) if first is None else (first._version, first.grad_fn)
        call = Call(names[module], module, next(clock), first, version, node, constants)
        calls.append(call)
        running.append(call)

    def note_end(module: nn.Module, _: tuple[Any, ...], result: Any) -> None:
        call = running.pop()
        assert call.module is module
        call.ended, call.result = next(clock), result
        call.result_version = result._version if isinstance(result, Tensor) else -1

    hooks: list[Any] = []
    had_gradients = {one: one.requires_grad for one in network.parameters()}
    try:
        for parameter in had_gradients:
            parameter.requires_grad_(True)
        for module in names:
            hooks.append(module.register_forward_pre_hook(note_start, with_kwargs=True))
            hooks.append(module.register_forward_hook(note_end))
        with torch.enable_grad():
            start = images.detach().requires_grad_()
            result = network.forward_features(start)
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, had in had_gradients.items():
            parameter.requires_grad_(had)
    return Trace(start, result, tuple(calls), Ancestry(start))

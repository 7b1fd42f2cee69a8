"""How one stage of a network runs alone: from the map behind the stage before it to the map behind it.

Where values pass from module to module unchanged, a stage is the chain of its modules. Elsewhere something lies
between them that belongs to no module: positions added to tokens, a map flattened, rotary embeddings handed to every
block. There the network's own `forward_features` runs, entered late and left early: the modules before the stage give
back empty tensors of the shapes they have, the last of them and the first of the stage have the kept map, and what
comes behind never runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sightx_cli.model.call_trace import Call, Trace, Value

Step = Callable[[Tensor], Tensor]


class _Left(Exception):  # noqa: N818 (no error: the way out of a forward)
    """Carries the map at which a forward is left."""

    def __init__(self, features: Tensor) -> None:
        self.features = features


def build_step(network: Any, trace: Trace, start: Call | None, stop: Call | None) -> Step:
    """Build what runs a network from the call `start` to the call `stop`; from the images, to the end if None."""
    chain = find_chain(trace, start, stop)
    if chain is not None:
        return chain_modules(chain)
    return Passage(network, trace, start, stop).run


def find_chain(trace: Trace, start: Call | None, stop: Call | None) -> list[Call] | None:
    """Find the calls that pass one tensor on, each reading what the one before it returned; None if there are none."""
    here = trace.images if start is None else start.given
    aim = trace.result if stop is None else stop.given
    now = 0 if start is None else start.began
    until = max(one.ended for one in trace.calls) if stop is None else stop.began
    chain: list[Call] = []
    while here != aim:
        following = (one for one in trace.calls if one.began >= now and one.given == here and one.ended <= until)
        call = next(following, None)
        if call is None or call.constants is None or not isinstance(call.result, Value):
            return None
        chain.append(call)
        here, now = call.result, call.ended
    return chain


def chain_modules(calls: Sequence[Call]) -> Step:
    """Chain modules into one step."""
    modules = [(call.module, dict(call.constants or {})) for call in calls]

    def run(features: Tensor) -> Tensor:
        for module, constants in modules:
            features = module(features, **constants)
        return features

    return run


def is_chain(step: Step) -> bool:
    """Tell whether a step is a chain of modules, and not a passage through the network's own forward."""
    return not isinstance(getattr(step, "__self__", None), Passage)


@dataclass(frozen=True)
class _Made:
    """The shape of a tensor that a module returned; whether it has a row per image, and is the kept map."""

    shape: tuple[int, ...]
    is_each: bool
    is_kept: bool

    def make_up(self, features: Tensor) -> Tensor:
        """Make up the tensor for as many images as there are `features`: empty, but for those themselves."""
        if self.is_kept:
            return features
        rows = features.shape[0]  # not len(): for a trace that is one and the same number for ever
        return features.new_zeros((rows, *self.shape[1:]) if self.is_each else self.shape)


class Passage:
    """A network's own forward from where one module is called to where another is.

    It puts other functions in the place of modules' forwards while it runs, so one at a time runs in a process.
    """

    turn = threading.RLock()
    is_entering = False
    """Whether a network runs on empty tensors just now, on its way to where a passage begins."""

    def __init__(self, network: Any, trace: Trace, start: Call | None, stop: Call | None) -> None:
        self.network = network
        self.start = start.module if start is not None else None
        self.stop = stop.module if stop is not None else None
        self.input_shape = trace.images.shape[1:]
        self.skipped: dict[nn.Module, list[Any]] = {}
        """The modules that give back empty tensors, and what they had returned, call by call."""
        for call in _list_skipped(trace, start) if start is not None else ():
            made = _describe(call.result, trace.images.shape[0], start.given if start is not None else None)
            self.skipped.setdefault(call.module, []).append(made)

    def run(self, features: Tensor) -> Tensor:
        """Return the map where the passage ends, of the map (N, …) where it begins."""
        with self.turn, self._entered_late(features):
            is_late = self.start is not None
            images = features.new_zeros((features.shape[0], *self.input_shape)) if is_late else features
            try:
                result: Tensor = self.network.forward_features(images)
            except _Left as left:
                result = left.features
        return result

    @contextmanager
    def _entered_late(self, features: Tensor) -> Iterator[None]:
        """Let the modules before the passage give back empty tensors, the first read `features`, the last leave."""
        Passage.is_entering = self.start is not None
        answers = {module: iter(results) for module, results in self.skipped.items()}

        def skip(module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
            def give_back(*given: Any, **named: Any) -> Any:
                if not Passage.is_entering:
                    return forward(*given, **named)
                return _make_up(next(answers[module]), features)

            return give_back

        def enter(forward: Callable[..., Any]) -> Callable[..., Any]:
            def begin(_: Any, *given: Any, **named: Any) -> Any:
                Passage.is_entering = False
                return forward(features, *given, **named)

            return begin

        def leave(here: Tensor, *_: Any, **__: Any) -> Any:
            raise _Left(here)

        forwards: dict[nn.Module, Callable[..., Any]] = {
            module: skip(module, module.forward) for module in self.skipped
        }
        if self.start is not None:
            forwards[self.start] = enter(self.start.forward)
        if self.stop is not None:
            forwards[self.stop] = leave
        with _replacing(forwards):
            try:
                yield
            finally:
                Passage.is_entering = False


@contextmanager
def _replacing(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Let modules run other functions for their forwards, and put back what they had."""
    before = {module: vars(module).get("forward") for module in forwards}
    for module, forward in forwards.items():
        module.forward = forward
    try:
        yield
    finally:
        for module, had in before.items():
            if had is None:
                del module.forward
            else:
                module.forward = had


def _list_skipped(trace: Trace, start: Call) -> list[Call]:
    """List the outermost calls that ended before `start` began, and whose results depend on the images."""
    skipped: list[Call] = []
    for call in trace.calls:
        is_within = bool(skipped) and call.began < skipped[-1].ended
        if call.ended < start.began and not is_within and trace.is_derived(call.result):
            skipped.append(call)
    return skipped


def _describe(result: Any, images: int, kept: Value | None) -> Any:
    """Describe what a module returned: each tensor that has a gradient by its shape, all else as it is."""
    if isinstance(result, Value):
        return _Made(result.shape, result.shape[:1] == (images,), result == kept)
    if isinstance(result, (tuple, list)):
        return type(result)(_describe(one, images, kept) for one in result)
    if isinstance(result, dict):
        return {key: _describe(one, images, kept) for key, one in result.items()}
    return result


def _make_up(described: Any, features: Tensor) -> Any:
    """Make up what a module returned."""
    if isinstance(described, _Made):
        return described.make_up(features)
    if isinstance(described, (tuple, list)):
        return type(described)(_make_up(one, features) for one in described)
    if isinstance(described, dict):
        return {key: _make_up(one, features) for key, one in described.items()}
    return described

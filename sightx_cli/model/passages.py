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

from sightx_cli.model.call_trace import Call, Trace

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
    here: Tensor = trace.images if start is None else start.given  # type: ignore[assignment]
    version = here._version if start is None else start.given_version
    aim = trace.result if stop is None else stop.given
    aim_version = trace.result._version if stop is None else stop.given_version
    now = 0 if start is None else start.began
    until = max(one.ended for one in trace.calls) if stop is None else stop.began
    chain: list[Call] = []
    while here is not aim or version != aim_version:
        following = (one for one in trace.calls if one.began >= now and one.given is here and one.ended <= until)
        call = next(following, None)
        if call is None:
            return None
        if call.given_version != version or call.constants is None or not isinstance(call.result, Tensor):
            return None
        chain.append(call)
        here, version, now = call.result, call.result_version, call.ended
    return chain


def chain_modules(calls: Sequence[Call]) -> Step:
    """Chain modules into one step."""
    modules = [(call.module, dict(call.constants or {})) for call in calls]

    def run(features: Tensor) -> Tensor:
        for module, constants in modules:
            features = module(features, **constants)
        return features

    return run


@dataclass(frozen=True)
class _Shape:
    """A tensor of one row for each image: the shape of a row, and whether it is the map that is kept."""

    rest: tuple[int, ...]
    is_kept: bool


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
        self.input_shape = tuple(trace.images.shape[1:])
        self.skipped: dict[nn.Module, list[Any]] = {}
        """The modules that give back empty tensors, and of which shapes, call by call."""
        for call in _list_skipped(trace, start) if start is not None else ():
            kept = start.given if start is not None and start.given_version == call.result_version else None
            self.skipped.setdefault(call.module, []).append(_describe(call.result, len(trace.images), kept))

    def run(self, features: Tensor) -> Tensor:
        """Return the map where the passage ends, of the map (N, …) where it begins."""
        with self.turn, self._entered_late(features):
            is_late = self.start is not None
            images = features.new_zeros((len(features), *self.input_shape)) if is_late else features
            try:
                result: Tensor = self.network.forward_features(images)
            except _Left as left:
                result = left.features
        return result

    @contextmanager
    def _entered_late(self, features: Tensor) -> Iterator[None]:
        """Let the modules before the passage give back empty tensors, the first read `features`, the last leave."""
        Passage.is_entering = self.start is not None
        answers = {module: iter(shapes) for module, shapes in self.skipped.items()}

        def skip(module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
            def give_back(*given: Any, **named: Any) -> Any:
                if not Passage.is_entering:
                    return forward(*given, **named)
                return _fill(next(answers[module]), features)

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
        if call.ended < start.began and not (skipped and call.began < skipped[-1].ended) and trace.is_derived(call):
            skipped.append(call)
    return skipped


def _describe(result: Any, images: int, kept: Tensor | None) -> Any:
    """Describe what a module returned: shapes for tensors with a row for each image, the rest as it is."""
    if isinstance(result, Tensor):
        is_each = result.dim() > 0 and len(result) == images
        return _Shape(tuple(result.shape[1:]), result is kept) if is_each else result.detach()
    if isinstance(result, (tuple, list)):
        return type(result)(_describe(one, images, None) for one in result)
    if isinstance(result, Mapping):
        return {key: _describe(one, images, None) for key, one in result.items()}
    return result


def _fill(described: Any, features: Tensor) -> Any:
    """Make tensors as described, for as many images as there are `features`, and empty but for those themselves."""
    if isinstance(described, _Shape):
        return features if described.is_kept else features.new_zeros((len(features), *described.rest))
    if isinstance(described, (tuple, list)):
        return type(described)(_fill(one, features) for one in described)
    if isinstance(described, Mapping):
        return {key: _fill(one, features) for key, one in described.items()}
    return described

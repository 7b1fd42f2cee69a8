"""The cost of one forward pass, by stage of the network: multiply-adds, and bytes of activations.

Every operation that torch runs is counted, whatever module or function it came from, so grouped convolutions count what
they compute, and the attention that timm calls as a function counts as well. Norms, activations, additions and
poolings do not count as multiply-adds, as in published figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

COPIES = (aten._unsafe_view, aten.detach, aten.lift_fresh)
"""Operations that create no new numbers, though torch does not call them views."""


@dataclass
class Counts:
    """The cost of a forward pass, by index of the stage: multiply-adds, and bytes of activations."""

    macs: dict[int, int] = field(default_factory=dict)
    activation_bytes: dict[int, int] = field(default_factory=dict)


@contextmanager
def counting_operations(parts: Mapping[nn.Module, int]) -> Iterator[Counts]:
    """Count what runs in the block; `parts` maps each module to its stage.

    An operation belongs to the stage of the module with parameters that ran last, so the addition behind a block, or
    the attention between two linear layers, counts in the right place.
    """
    counter = _OperationCounter()
    hooks = [module.register_forward_pre_hook(counter.enter(position)) for module, position in parts.items()]
    try:
        with counter:
            yield counter.counts
    finally:
        for hook in hooks:
            hook.remove()


class _OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation below autograd and adds its cost to the stage that runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = Counts()
        self._position = 0

    def enter(self, position: int) -> Callable[[nn.Module, Any], None]:
        """Return the hook that marks which stage runs from here on."""

        def hook(_module: nn.Module, _inputs: Any) -> None:
            self._position = position

        return hook

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        macs, made = self.counts.macs, self.counts.activation_bytes
        macs[self._position] = macs.get(self._position, 0) + count_macs(func, args, result)
        made[self._position] = made.get(self._position, 0) + _count_bytes(func, result)
        return result


def count_macs(func: Any, args: Any, result: Any) -> int:
    """Return the multiply-adds of one operation: of convolutions, matrix products and attention; 0 for any other."""
    packet = func.overloadpacket
    if packet is aten.convolution:
        images, weight, transposed = args[0], args[1], args[6]
        # A weight is (out, in / groups, …): the inputs of one output number. Transposed, (in, out / groups, …).
        return int((images if transposed else result).numel() * weight[0].numel())
    if packet in (aten.mm, aten.bmm, aten.addmm, aten.baddbmm):
        left, right = args[-2:] if packet in (aten.mm, aten.bmm) else args[1:3]
        return int(left.numel() * right.shape[-1])
    if packet.__name__.startswith("_scaled_dot_product"):
        query, key, value = args[:3]
        pairs = query[..., 0].numel() * key.shape[-2]
        return int(pairs * (query.shape[-1] + value.shape[-1]))  # queries by keys, then the weights by the values
    return 0


def _count_bytes(func: Any, result: Any) -> int:
    """Return the bytes of the numbers an operation creates; 0 for a view or an in-place operation."""
    if func.overloadpacket in COPIES or any(made.alias_info is not None for made in func._schema.returns):
        return 0
    made = result[0] if isinstance(result, tuple) else result  # the rest are a norm's moments or a pooling's indices
    is_numbers = isinstance(made, Tensor) and made.is_floating_point()
    return int(made.numel() * made.element_size()) if is_numbers else 0

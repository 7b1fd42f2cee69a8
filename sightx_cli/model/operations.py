"""The cost of one forward pass, by stage of the network: multiply-adds, and bytes of activations.

torch's own `FlopCounterMode` counts, two operations for a multiply-add: convolutions, matrix products and attention,
whatever module or function they came from; no norms, activations, additions or poolings, as in the papers' figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from sightx_cli.model.passages import Passage

aten = torch.ops.aten
CPU_ATTENTION = aten._scaled_dot_product_flash_attention_for_cpu

COPIES = (aten._unsafe_view, aten.detach, aten.lift_fresh)
"""Operations that create no new numbers, though torch does not call them views."""

Part = tuple[int, str]
"""What costs are told apart by: the stage, and which of several networks side by side it is of."""


@dataclass
class Counts:
    """The cost of a forward pass, by part of the network: multiply-adds, and bytes of activations."""

    macs: dict[Part, int] = field(default_factory=dict)
    activation_bytes: dict[Part, int] = field(default_factory=dict)


@contextmanager
def counting_operations(parts: Mapping[nn.Module, Part]) -> Iterator[Counts]:
    """Count what runs in the block; `parts` maps each module to its part of the network.

    An operation belongs to the part of the module with parameters that ran last, so the addition after a block, or
    the attention between two linear layers, counts in the right place.
    """
    flops = FlopCounterMode(display=False, custom_mapping={CPU_ATTENTION: _count_attention})
    counter = _OperationCounter(flops, next(iter(parts.values())))
    hooks = [module.register_forward_pre_hook(counter.enter(part)) for module, part in parts.items()]
    try:
        with flops, counter:
            yield counter.counts
    finally:
        for hook in hooks:
            hook.remove()


class _OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation below autograd and adds its cost to the part that runs."""

    def __init__(self, flops: FlopCounterMode, first: Part) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = Counts()
        self._flops, self._part = flops, first

    def enter(self, part: Part) -> Callable[[nn.Module, Any], None]:
        """Return the hook that marks which part runs from here on."""

        def hook(_module: nn.Module, _inputs: Any) -> None:
            self._part = part

        return hook

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self._flops.get_total_flops()
        result = func(*args, **(kwargs or {}))
        if Passage.is_entering:  # on empty tensors, on the way to a stage
            return result
        macs, made = self.counts.macs, self.counts.activation_bytes
        macs[self._part] = macs.get(self._part, 0) + (self._flops.get_total_flops() - before) // 2
        made[self._part] = made.get(self._part, 0) + _count_bytes(func, result)
        return result


def _count_attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """Count the kernel that CPUs have of their own, which torch's counter leaves out: queries by keys, then values."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _count_bytes(func: Any, result: Any) -> int:
    """Return the bytes of the numbers an operation creates; 0 for a view or an in-place operation."""
    if func.overloadpacket in COPIES or any(made.alias_info is not None for made in func._schema.returns):
        return 0
    made = result[0] if isinstance(result, tuple) else result  # the rest are a norm's moments or a pooling's indices
    is_numbers = isinstance(made, Tensor) and made.is_floating_point()
    return int(made.numel() * made.element_size()) if is_numbers else 0

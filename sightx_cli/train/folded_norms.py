"""Fold BatchNorm into the convolution before it while its statistics are fixed: the same function, computed faster.

With fixed statistics a norm is y = (x − μ) · γ/s + β, so convolution and norm together are one convolution with weight
w · γ/s and bias β − μ · γ/s. Folding in each step leaves w, γ and β as the parameters that train, and saves the norm's
passes over the activations, forward and backward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.train.fused_convolution import FixedNorm, Limits, convolve, is_plain

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]

TOLERANCE = 1e-3
"""How far the folded network's output may lie from the unfolded one's, relative to its largest value (float32)."""


def find_pairs(module: nn.Module, run: Callable[[], object]) -> list[Pair]:
    """Return each convolution with the norm that reads its output, as seen while `run` runs the module once."""
    outputs: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: list[Pair] = []

    def after_convolution(convolution: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(convolution, nn.Conv2d)
        outputs[id(output)] = (convolution, output)  # held, so that no other tensor takes its id

    def before_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found = outputs.get(id(inputs[0]))
        if found is not None and isinstance(norm, nn.BatchNorm2d):
            pairs.append((found[0], norm))

    hooks = []
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            hooks.append(child.register_forward_hook(after_convolution))
        elif isinstance(child, nn.BatchNorm2d):
            hooks.append(child.register_forward_pre_hook(before_norm))
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    convolutions = [id(convolution) for convolution, _ in pairs]
    # a convolution that two norms read cannot be folded into one of them
    return [
        pair
        for pair in pairs
        if convolutions.count(id(pair[0])) == 1 and is_plain(pair[0]) and pair[1].running_mean is not None
    ]


@contextmanager
def folded_norms(module: nn.Module, run: Callable[[], Tensor]) -> Iterator[int]:
    """Fold norms with fixed statistics for the duration of the block; yields how many pairs are folded.

    `run` runs the module once on some input; where the folded output differs from the unfolded one (a convolution's
    output that something else reads too), nothing is folded.
    """
    pairs = find_pairs(module, run)
    with torch.no_grad():
        plain = run()
    with ExitStack() as stack:
        for convolution, norm in pairs:
            stack.enter_context(_folded(convolution, norm))
        with torch.no_grad():
            folded = run()
        scale = max(1.0, float(plain.abs().max()))
        if float((plain - folded).abs().max()) > TOLERANCE * scale:
            stack.close()
            yield 0
        else:
            yield len(pairs)


@contextmanager
def _folded(convolution: Any, norm: Any) -> Iterator[None]:
    """Let a convolution compute both itself and the norm, and the norm only its activation, if it has one."""
    limits, fixed = find_limits(norm), FixedNorm.read(norm)

    def run(images: Tensor) -> Tensor:
        return convolve(convolution, images, norm, fixed, limits)

    def activate(images: Tensor) -> Tensor:
        # timm's BatchNormAct2d applies dropout and activation after the norm; a plain BatchNorm2d has neither
        if limits is None and hasattr(norm, "act"):
            images = norm.act(norm.drop(images))
        return images

    convolution.forward, norm.forward = run, activate
    try:
        yield
    finally:
        del convolution.forward, norm.forward


def find_limits(norm: nn.Module) -> Limits | None:
    """Return what the activation behind a norm clamps between, if that is all it does."""
    activation = getattr(norm, "act", None)
    if not isinstance(getattr(norm, "drop", None), nn.Identity):
        return None
    if isinstance(activation, nn.Hardtanh):  # and ReLU6, which is one
        return activation.min_val, activation.max_val
    return (0.0, math.inf) if isinstance(activation, nn.ReLU) else None

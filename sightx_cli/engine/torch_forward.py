"""The forward by torch: on CUDA and MPS, and wherever OpenVINO cannot convert a network."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from sightx_cli.engine.interface import EXACT, Images, Key, Outputs, Precision, choose_batch

HALVES: dict[Precision, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}


_COMPUTING = threading.Lock()
"""What `computing_in` sets is the process's: of two threads within, the one that leaves last would put back the
other's."""


class TorchForward:
    """A torch module in channels_last, under autocast where it is to compute in half precision."""

    engine = "torch"

    def __init__(
        self,
        module: nn.Module,
        output_names: Sequence[str],
        size_px: int,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "cpu",
        precision: Precision = EXACT,
    ) -> None:
        self.device = torch.device(device)
        self.size_px = size_px
        self.batch_images = choose_batch(size_px)
        self.output_names = tuple(output_names)
        self._module = module.to(self.device).eval()
        self._mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(std, device=self.device).view(1, 3, 1, 1) * 255
        self.precision = precision

    def run(self, batches: Iterable[tuple[Key, Images]]) -> Iterator[tuple[Key, Outputs]]:
        """Run batches of uint8 images (N, H, W, 3); yield (key, outputs float32 by name), in order."""
        for key, images in batches:
            outputs = self._compute(images)
            yield key, {n: o.float().cpu().numpy() for n, o in zip(self.output_names, outputs, strict=True)}

    @torch.inference_mode()
    def _compute(self, images: Images) -> Sequence[torch.Tensor]:
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        if self.device.type == "cuda":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        normalised = (pixels.to(self.device).permute(0, 3, 1, 2).float() - self._mean) / self._std
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        with _COMPUTING, computing_in(self.precision, self.device.type):
            outputs = self._module(normalised)
        return outputs if isinstance(outputs, (tuple, list)) else (outputs,)


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the CPU on a device; towards CUDA it is on its way, and what is computed there waits for it.

    Only from pinned memory is copied while Python goes on (PyTorch's tutorial "A guide on good usage of `non_blocking`
    and `pin_memory()`"), and on MPS such a copy may be read before it is whole.
    """
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextmanager
def computing_in(precision: Precision, device_type: str) -> Iterator[None]:
    """Compute the block in a precision: half by autocast, and float32 without the TF32 that CUDA has for it."""
    if precision in HALVES:
        with torch.autocast(device_type, dtype=HALVES[precision]):
            yield
        return
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def find_half(device: torch.device) -> Precision | None:
    """Return the half precision that a device computes natively, and so faster, or None.

    CUDA before Ampere has float16 alone: it emulates bfloat16, slowly. MPS has float16, but no gradient scaler.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "cpu":
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else None
    return None


@contextmanager
def without_gradients(module: nn.Module) -> Iterator[None]:
    """Let no parameter have a gradient meanwhile: a trace takes them for constants, and torch's counter of operations
    fails on a module that is given one (CaiT's token).
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)

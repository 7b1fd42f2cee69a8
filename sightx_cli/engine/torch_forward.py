"""The forward by torch: on CUDA and MPS, and wherever OpenVINO cannot convert a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from sightx_cli.engine.interface import Images, Key, Outputs, choose_batch


class TorchForward:
    """A torch module in channels_last, with autocast where the device has half precision."""

    engine = "torch"

    def __init__(
        self,
        module: nn.Module,
        output_names: Sequence[str],
        size_px: int,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.size_px = size_px
        self.batch_images = choose_batch(size_px)
        self.output_names = tuple(output_names)
        self._module = module.to(self.device).eval()
        self._mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(std, device=self.device).view(1, 3, 1, 1) * 255
        self._half = choose_half(self.device)
        self.precision = name_precision(self._half)

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
        half = self._half or torch.bfloat16
        with torch.autocast(self.device.type, dtype=half, enabled=self._half is not None):
            outputs = self._module(normalised)
        return outputs if isinstance(outputs, (tuple, list)) else (outputs,)


def name_precision(half: torch.dtype | None) -> str:
    """Name a half precision as plans do; None is float32."""
    return "float32" if half is None else str(half).removeprefix("torch.")


def choose_half(device: torch.device) -> torch.dtype | None:
    """Return the half precision that is quicker on a device, or None: CPUs need bfloat16 instructions."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if device.type == "cpu" and has_bfloat16() else None

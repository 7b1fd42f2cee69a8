"""A module of pixels as a TorchScript file: traced, for any number of images, without the paths of this machine."""

from __future__ import annotations

import copy
import os
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from sightx_cli.engine.torch_forward import without_gradients
from sightx_cli.model.image_sizes import CANNOT_RUN

DEBUG = ".debug_pkl"
"""What the names of the parts of a TorchScript file end with that hold lines and paths of the source."""


class HalfBackbone(nn.Module):
    """A backbone that computes in half precision between a float32 input and float32 features.

    The head stays in float32: it standardises features, and the differences would lose most of their digits.
    """

    def __init__(self, backbone: nn.Module, precision: str) -> None:
        super().__init__()
        self.kind: torch.dtype = getattr(torch, precision)
        self.backbone = copy.deepcopy(backbone).to(self.kind)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (N, F) float32 of normalised images (N, 3, S, S) float32."""
        features: Tensor = self.backbone(images.to(self.kind)).float()
        return features


def write_traced(module: nn.Module, size_px: int, path: Path) -> str:
    """Trace a module of uint8 images (N, size_px, size_px, 3) and write it; returns why not, else "".

    Raises OSError when the disk is full.
    """
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    aside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        with torch.no_grad(), without_gradients(module.eval()):
            traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
    except CANNOT_RUN as error:
        return f"torch cannot trace this network ({str(error).strip().splitlines()[0][:120]})"
    try:
        with aside.open("wb") as stream:  # through Python, whose errors say that a disk is full
            torch.jit.save(traced, stream)
        copy_without_paths(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return ""


def copy_without_paths(file: Path, to: Path) -> None:
    """Copy a TorchScript file without the parts that name the files and lines of this machine's source.

    Not by torch's own writer: it gives the file another version, under which torch rounds divisions in another way.
    """
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(to, "w") as stripped:
        for entry in whole.infolist():
            if not entry.filename.endswith(DEBUG):
                stripped.writestr(entry, whole.read(entry))

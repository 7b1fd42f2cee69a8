"""What torch's compiler needs of a machine and its GPU, to compile steps. Imports no fastai."""

from __future__ import annotations

import importlib.util
import os
import shutil

import torch

OLDEST_GPU = (7, 0)
"""The compute capability that Triton, which writes the kernels, begins at (Volta)."""


def find_lack(device: torch.device) -> str:
    """Say why steps on a device cannot be compiled; empty where they can."""
    if device.type != "cuda":
        return "it is for GPUs by CUDA"
    if torch.cuda.get_device_capability(device) < OLDEST_GPU:
        return "this GPU is older than Volta"
    return find_missing_tool()


def find_missing_tool() -> str:
    """Say what torch's compiler needs and this machine lacks; empty where all is there."""
    if importlib.util.find_spec("triton") is None:
        return "the package triton is missing"
    if not any(shutil.which(name) for name in (os.environ.get("CC", ""), "gcc", "cc", "clang") if name):
        return "a C compiler is missing"
    return ""

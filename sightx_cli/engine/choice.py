"""Which engine runs the compiled forward here, and why; falls back to torch where OpenVINO cannot convert."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightx_cli.engine.batch_trial import find_batch
from sightx_cli.engine.conversion import convert_module, write_graph
from sightx_cli.engine.graph_files import BATCH_SUFFIX
from sightx_cli.engine.interface import EXACT, Forward, Precision
from sightx_cli.engine.openvino_forward import OpenVinoForward, find_half_on_cpu, read_graph
from sightx_cli.engine.torch_forward import TorchForward, find_half
from sightx_cli.errors import UsageError
from sightx_cli.machine import find_memory_shortage
from sightx_cli.progress import Listener


@dataclass(frozen=True)
class EngineChoice:
    """The engine of the frozen layers, what it computes in, its device, and why."""

    name: str
    precision: Precision
    device: str
    why: str
    half: Precision | None = None
    """The half precision that is faster here; `precision` is set to it if this network and these images allow it."""
    precision_why: str = ""
    """Why this precision; empty until it is decided."""


def choose_device(device: str = "auto") -> str:
    """Return the torch device: the named one, else CUDA, else MPS, else the CPU; raises UsageError if missing."""
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if device == "auto":
        return available[0]
    kind, _, number = device.partition(":")
    if kind not in available:
        fault = f"this machine has {', '.join(available)}"
    elif device == kind or (number.isdecimal() and int(number) < (found := _count_devices(kind))):
        return device
    elif kind == "cuda" and number.isdecimal():
        fault = f"this machine has {found} GPU{'s' * (found != 1)}, counted from 0"
    else:
        fault = "no device has this name"
    raise UsageError(
        f"--device {device}: {fault}; allowed are {', '.join(_list_allowed(available))}",
        f"leave --device out, or --device {available[0]}",
    )


def _count_devices(kind: str) -> int:
    return torch.cuda.device_count() if kind == "cuda" else 1


def _list_allowed(available: Sequence[str]) -> list[str]:
    """List what --device takes on this machine; several GPUs each by its number too."""
    found = _count_devices("cuda") if "cuda" in available else 0
    numbered = [f"cuda:0 to cuda:{found - 1}"] if found > 1 else []
    return ["auto", *available[:1], *numbered, *available[1:]]


def choose_engine(engine: str, device: str) -> EngineChoice:
    """Choose OpenVINO on CPUs and torch elsewhere; `engine` is auto, openvino or torch."""
    if engine not in ("auto", "openvino", "torch"):
        raise UsageError(f"--engine {engine}: unknown", "--engine auto, openvino or torch")
    if engine == "openvino" and device != "cpu":
        raise UsageError(
            f"--engine openvino runs on the CPU, --device says {device}", "--engine torch, or --device cpu"
        )
    if engine == "openvino" or (engine == "auto" and device == "cpu"):
        why = "chosen with --engine" if engine == "openvino" else "the fastest on a CPU"
        return EngineChoice("openvino", EXACT, device, why, find_half_on_cpu())
    why = "chosen with --engine" if engine == "torch" else f"the device is {device}"
    return EngineChoice("torch", EXACT, device, why, find_half(torch.device(device)))


def choose_step_precision(engine: EngineChoice) -> Precision:
    """Return the precision of steps that train layers: half precision where it is faster, float32 elsewhere.

    Each epoch is judged in float32 all the same. float16 needs a gradient scaler (`train.scaled_gradients`), on CUDA.
    """
    is_usable = engine.half == "bfloat16" or engine.device.startswith("cuda")
    return engine.half if engine.half is not None and is_usable else EXACT


def build_forward(
    engine: EngineChoice,
    module: nn.Module,
    output_names: Sequence[str],
    size_px: int,
    mean: Sequence[float],
    std: Sequence[float],
    graph: Path | None,
    listener: Listener,
    images: int = 0,
) -> Forward:
    """Compile a module of normalised images; the converted graph is cached at `graph`, if given.

    `images` is how many it is about to run over: with many, the batch is tried (see `engine.batch_trial`).

    If the disk cannot hold the graph, only the next start is slower. Falls back to torch, after one
    line, where OpenVINO cannot convert the network.
    """
    if engine.name == "torch":
        how = engine.device, engine.precision
        return TorchForward(module, output_names, size_px, mean, std, *how, captures=True)
    if graph is not None and graph.is_file():
        try:
            read = read_graph(graph)
            forward = _compile(read, engine.precision, images, graph)
            with contextlib.suppress(OSError):  # marks it as used; a read-only store works too
                os.utime(graph)
            return forward
        except RuntimeError as error:
            if find_memory_shortage(error):
                raise
            listener.warn(f"the cached graph {graph.name} is damaged: converted again")
    converted, reason = try_to_convert(module, output_names, size_px, mean, std)
    if converted is None:
        listener.warn(f"OpenVINO cannot convert this network ({reason}): torch runs it instead, slower")
        how = engine.device, engine.precision
        return TorchForward(module, output_names, size_px, mean, std, *how, captures=True)
    if graph is not None:
        with contextlib.suppress(OSError):  # the next one converts it again
            graph.parent.mkdir(parents=True, exist_ok=True)
            write_graph(converted, graph)
    return _compile(converted, engine.precision, images, graph)


def _compile(converted: Any, precision: Precision, images: int, graph: Path | None) -> Forward:
    """Compile a graph for the batch that suits this machine, if that is known or worth a trial."""
    record = None if graph is None else graph.with_suffix(BATCH_SUFFIX)
    return OpenVinoForward(converted, batch=find_batch(converted, precision, images, record), precision=precision)


def try_to_convert(
    module: nn.Module, output_names: Sequence[str], size_px: int, mean: Sequence[float], std: Sequence[float]
) -> tuple[Any, str]:
    """Return the OpenVINO graph of a module of normalised images, or None and why it cannot be converted."""
    try:
        return convert_module(module, output_names, size_px, mean, std), ""
    except Exception as error:
        if find_memory_shortage(error):
            raise
        # OpenVINO's converter raises all kinds of errors, depending on the network; torch runs them all.
        lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")] or [type(error).__name__]
        telling = (line for line in lines if line.startswith("No conversion rule") or "::" in line.partition(" ")[0])
        return None, next(telling, lines[0])[:120]

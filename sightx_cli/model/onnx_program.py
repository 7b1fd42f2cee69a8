"""From a torch module to an ONNX program, by torch's exporter of whole programs (`torch.onnx.export(dynamo=True)`)."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightx_cli.engine.torch_forward import without_gradients
from sightx_cli.machine import find_memory_shortage

OPSET = 18
"""The version of ONNX's operators that torch translates to without a second conversion; the first with a resize that
averages what it shrinks."""


def build_onnx(module: nn.Module, size_px: int, outputs: Sequence[str]) -> tuple[Any, str]:
    """Return the ONNX model (`onnx.ModelProto`) of a module of images (N, size_px, size_px, 3) uint8, N left open.

    Where torch cannot export the network, returns None and why, in one line.
    """
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    try:
        with _keeping_quiet(), torch.no_grad(), without_gradients(module):
            program = torch.onnx.export(
                module.eval(),
                (example,),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=list(outputs),
                dynamic_shapes={"image": {0: torch.export.Dim("N")}},
            )
            assert program is not None
            return program.model_proto, ""
    except Exception as error:
        if find_memory_shortage(error):
            raise
        # torch's exporter raises all kinds of errors, depending on the network; the caller refuses the format.
        return None, describe_failure(error)


def describe_failure(error: BaseException) -> str:
    """Say in one line why a network could not be exported: the innermost cause, without torch's advice and reports."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:160]


def write_onnx(model: Any, path: Path) -> None:
    """Write a model without what tells of this machine: torch notes the source line of each operation."""
    import onnx

    strip_notes(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def strip_notes(model: Any) -> None:
    """Remove what torch notes of its own work from a model."""
    graph = model.graph
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextlib.contextmanager
def _keeping_quiet() -> Any:
    """Keep torch's exporter from printing: it logs missing packages that nothing here needs, and its own progress."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)

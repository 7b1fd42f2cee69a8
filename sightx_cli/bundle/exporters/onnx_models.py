"""ONNX: one file that takes plain views as the bundle's graph does, and one that takes an image of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.bundle.exporter import (
    ExportPrecision,
    FinishedModel,
    Images,
    LoadedExport,
    ModelFile,
    Probabilities,
)
from sightx_cli.machine import measure_threads

VIEWS, ANY_SIZE = "model.onnx", "model-any-size.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")


class OnnxModels:
    """Writes the classifier by torch's exporter of programs, and runs it with onnxruntime."""

    name = "onnx"
    precisions: tuple[ExportPrecision, ...] = ("float32",)
    extra = "export"
    packages: Mapping[ExportPrecision, tuple[str, ...]] = {"float32": NEEDED}
    models: Sequence[ModelFile] = (ModelFile(VIEWS, "views"),)

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:  # noqa: ARG002 (one only)
        """Write the files."""
        from sightx_cli.model.onnx_program import build_onnx, write_onnx

        program, reason = build_onnx(model.build_deployed(), model.facts.size_px)
        if program is None:
            return f"torch cannot export this network to ONNX ({reason})"
        write_onnx(program, folder / VIEWS)
        return ""

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:  # noqa: ARG002
        """Open them in onnxruntime."""
        session = open_session(folder / VIEWS)

        def answer_views(images: Images) -> Probabilities:
            return np.asarray(session.run(None, {"image": images})[0])

        return LoadedExport(answer_views)


def open_session(path: Path) -> Any:
    """Open a file in onnxruntime, on as many threads as are ours."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = measure_threads().inference
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

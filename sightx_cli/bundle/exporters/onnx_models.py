"""ONNX: one file that takes plain views as the bundle's graph does, and one that takes an image of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.bundle.export_code import Runner
from sightx_cli.bundle.exporter import (
    DISTANCE,
    ExportPrecision,
    FinishedModel,
    Images,
    LoadedExport,
    ModelFile,
    Probabilities,
)
from sightx_cli.bundle.exporters.onnx_half import keep_in_half
from sightx_cli.bundle.exporters.onnx_resize import put_resize_before
from sightx_cli.engine.interface import EXACT, PROBABILITIES
from sightx_cli.machine import measure_threads

VIEWS, ANY_SIZE = "model.onnx", "model-any-size.onnx"
IMAGE = "image"


class OnnxModels:
    """Writes the classifier by torch's exporter of programs, and runs it with onnxruntime."""

    name = "onnx"
    precisions: tuple[ExportPrecision, ...] = ("float32", "float16", "bfloat16")
    extra = "export"
    packages: Mapping[ExportPrecision, tuple[str, ...]] = dict.fromkeys(
        precisions, ("onnx", "onnxscript", "onnxruntime")
    )
    models: Sequence[ModelFile] = (
        ModelFile(VIEWS, "views", distance=DISTANCE),
        ModelFile(ANY_SIZE, "any size", layout="HWC", distance=DISTANCE),
    )
    runner: Runner | None = Runner(
        "onnxruntime", "onnxruntime.InferenceSession(FILE)", 'MODEL.run(None, {"image": VIEWS})'
    )

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:
        """Write both files; in half precision the weights are half as long, and what is computed of them is float32."""
        from sightx_cli.model.onnx_program import build_onnx, write_onnx

        facts = model.facts
        outputs = (PROBABILITIES, DISTANCE) if model.familiar else (PROBABILITIES,)
        program, reason = build_onnx(model.build_deployed(measures_distance=True), facts.size_px, outputs)
        if program is None:
            return f"torch cannot export this network to ONNX ({reason})"
        if precision != EXACT:
            program = keep_in_half(program, precision)
        write_onnx(program, folder / VIEWS)
        write_onnx(put_resize_before(program, facts.size_px, facts.fit), folder / ANY_SIZE)
        return ""

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:  # noqa: ARG002
        """Open both in onnxruntime."""
        views, any_size = (open_session(folder / name) for name in (VIEWS, ANY_SIZE))

        def answer_views(images: Images) -> Probabilities:
            return np.asarray(views.run([PROBABILITIES], {IMAGE: images})[0])

        def answer_image(image: Images) -> Probabilities:
            return np.asarray(any_size.run([PROBABILITIES], {IMAGE: image})[0][0])

        def measure_views(images: Images) -> Probabilities:
            return np.asarray(views.run([DISTANCE], {IMAGE: images})[0])

        return LoadedExport(answer_views, answer_image, measure_views if model.familiar else None)


def open_session(path: Path) -> Any:
    """Open a file in onnxruntime, on as many threads as are ours."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = measure_threads().inference
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

"""OpenVINO: the bundle's own graph with the temperature inside, and one that takes an image of any size."""

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
from sightx_cli.bundle.exporters.onnx_resize import build_resize
from sightx_cli.engine.interface import EXACT, PROBABILITIES
from sightx_cli.engine.openvino_forward import PRECISION_HINTS, load_core, read_graph
from sightx_cli.machine import measure_threads

VIEWS, ANY_SIZE = "model.xml", "model-any-size.xml"


class OpenVinoModels:
    """Writes the graph that predicts, so that nothing is converted again; OpenVINO runs it."""

    name = "openvino"
    precisions: tuple[ExportPrecision, ...] = ("float32",)
    extra = "export"
    packages: Mapping[ExportPrecision, tuple[str, ...]] = {"float32": ("openvino", "onnx")}
    models: Sequence[ModelFile] = (
        ModelFile(VIEWS, "views", distance=DISTANCE),
        ModelFile(ANY_SIZE, "any size", layout="HWC", distance=DISTANCE),
    )
    runner: Runner | None = Runner(
        "openvino",
        'openvino.compile_model(FILE, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})',
        "MODEL(VIEWS).to_tuple()",
    )

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:  # noqa: ARG002 (one only)
        """Write both graphs."""
        from sightx_cli.engine.deployed_graph import finish_graph, put_before, save_graph

        if model.graph is None:
            return "OpenVINO cannot convert this network: predict runs it with torch"
        facts = model.facts
        familiar = None if model.familiar is None else (model.familiar.vectors, model.familiar.neighbours)
        graph = finish_graph(read_graph(model.graph), facts.task.activation, facts.temperature, familiar)
        save_graph(graph, folder / VIEWS)
        resize = load_core().read_model(build_resize(facts.size_px, facts.fit).SerializeToString())
        save_graph(put_before(resize, graph), folder / ANY_SIZE)
        return ""

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:  # noqa: ARG002
        """Compile both, to compute in float32."""
        views, any_size = (compile_file(folder / name) for name in (VIEWS, ANY_SIZE))

        def answer_views(images: Images) -> Probabilities:
            return np.array(views(images)[PROBABILITIES])

        def answer_image(image: Images) -> Probabilities:
            return np.array(any_size(image)[PROBABILITIES][0])

        def measure_views(images: Images) -> Probabilities:
            return np.array(views(images)[DISTANCE])

        return LoadedExport(answer_views, answer_image, measure_views if model.familiar else None)


def compile_file(path: Path) -> Any:
    """Compile a graph to compute in float32, whatever the processor would choose, on as many threads as are ours."""
    options = {
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[EXACT],
        "INFERENCE_NUM_THREADS": measure_threads().inference,
    }
    return load_core().compile_model(str(path), "CPU", options)

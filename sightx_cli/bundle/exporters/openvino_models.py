"""OpenVINO: the bundle's own graph with the temperature inside, and one that takes an image of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    precisions: tuple[ExportPrecision, ...] = ("float32", "float16", "int8")
    extra = "export"
    packages: Mapping[ExportPrecision, tuple[str, ...]] = {
        "float32": ("openvino", "onnx"),
        "float16": ("openvino", "onnx"),
        "int8": ("openvino", "onnx", "nncf"),
    }
    models: Sequence[ModelFile] = (
        ModelFile(VIEWS, "views", distance=DISTANCE),
        ModelFile(ANY_SIZE, "any size", layout="HWC", distance=DISTANCE),
    )
    runner: Runner | None = Runner(
        "openvino",
        'openvino.compile_model(FILE, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})',
        "MODEL(VIEWS).to_tuple()",
    )

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:
        """Write both graphs; in float16 the weights are half as long, and what is computed of them is float32."""
        from sightx_cli.engine.deployed_graph import finish_graph, put_before, save_graph
        from sightx_cli.engine.quantised_graph import CALIBRATION_IMAGES, quantise_graph

        if model.graph is None:
            return "OpenVINO cannot convert this network: predict runs it with torch"
        facts = model.facts
        familiar = find_familiar(model, precision)
        graph = finish_graph(read_graph(model.graph), facts.task.activation, facts.temperature, familiar)
        if precision == "int8":
            assert model.draw_training_views is not None
            graph = quantise_graph(graph, model.draw_training_views(CALIBRATION_IMAGES))
        is_half = precision == "float16"
        save_graph(graph, folder / VIEWS, is_half)
        resize = load_core().read_model(build_resize(facts.size_px, facts.fit).SerializeToString())
        save_graph(put_before(resize, graph), folder / ANY_SIZE, is_half)
        return ""

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:
        """Compile both, to compute in float32."""
        views, any_size = (compile_file(folder / name) for name in (VIEWS, ANY_SIZE))

        def answer_views(images: Images) -> Probabilities:
            return np.array(views(images)[PROBABILITIES])

        def answer_image(image: Images) -> Probabilities:
            return np.array(any_size(image)[PROBABILITIES][0])

        def measure_views(images: Images) -> Probabilities:
            return np.array(views(images)[DISTANCE])

        return LoadedExport(answer_views, answer_image, measure_views if find_familiar(model, precision) else None)


def find_familiar(model: FinishedModel, precision: ExportPrecision) -> tuple[NDArray[np.float32], int] | None:
    """Return what tells unfamiliar images, features and a number of neighbours; None where nothing does.

    Nothing does in int8: its features lie elsewhere than those kept of training images. Distances moved by up to 0.30:
    3 of 153 photographs (6 of 85 of retinas) would have been familiar in place of unfamiliar, or the reverse.
    """
    if model.familiar is None or precision == "int8":
        return None
    return model.familiar.vectors, model.familiar.neighbours


def compile_file(path: Path) -> Any:
    """Compile a graph to compute in float32, whatever the processor would choose, on as many threads as are ours."""
    options = {
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[EXACT],
        "INFERENCE_NUM_THREADS": measure_threads().inference,
    }
    return load_core().compile_model(str(path), "CPU", options)

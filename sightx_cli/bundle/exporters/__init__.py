"""The formats of a trained model: a new one is a module here, and a line in EXPORTERS or, for every bundle, in BUNDLED.

What is written is held against the bundle's own answers (`bundle.export_check`) before anyone gets it.
"""

from __future__ import annotations

from collections.abc import Mapping

from sightx_cli.bundle.exporter import Exporter
from sightx_cli.bundle.exporters.onnx_models import OnnxModels
from sightx_cli.bundle.exporters.openvino_graph import OpenVinoGraph
from sightx_cli.bundle.exporters.openvino_models import OpenVinoModels
from sightx_cli.bundle.exporters.safetensors_weights import SafetensorsWeights
from sightx_cli.bundle.exporters.timm_folder import TimmFolder
from sightx_cli.bundle.exporters.torchscript_module import TorchScriptModule
from sightx_cli.bundle.product import BundlePart

BUNDLED: tuple[BundlePart, ...] = (SafetensorsWeights(), OpenVinoGraph())
"""What every bundle holds: the weights, and the graph that predicts."""

EXPORTERS: Mapping[str, Exporter] = {
    exporter.name: exporter for exporter in (OnnxModels(), OpenVinoModels(), TorchScriptModule(), TimmFolder())
}
"""The formats of `sightx export` by name."""

"""The compiled form as an OpenVINO graph: uint8 images (N, S, S, 3) in, the task's probabilities (N, C) out.

Where layers are frozen, their pooled features (N, F) are a second output: it tells unfamiliar images at no cost.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.bundle.product import Product
from sightx_cli.engine.interface import FEATURES
from sightx_cli.engine.openvino_forward import read_graph

if TYPE_CHECKING:
    from sightx_cli.model.backbone import Backbone


class OpenVinoGraph:
    """Writes the graph: a linear head put behind the kept graph where there is one, else the network converted."""

    name = "openvino"
    files: tuple[str, ...] = (runs.BUNDLE_GRAPH, str(Path(runs.BUNDLE_GRAPH).with_suffix(".bin")))

    def write(self, product: Product, folder: Path) -> str:
        """Write the graph; not every network can be converted."""
        path = folder / runs.BUNDLE_GRAPH
        return "" if append_head(product, path) else convert_classifier(product, path)


def append_head(product: Product, path: Path) -> bool:
    """Write the kept graph with the head behind it: no conversion is needed.

    Returns whether it did: not when there is no kept graph, or it is damaged.
    """
    from sightx_cli.engine.conversion import write_graph
    from sightx_cli.engine.headed_graph import append_linear_head
    from sightx_cli.model.head import read_linear_solution

    if product.features_graph is None:
        return False
    try:
        graph = read_graph(product.features_graph)
    except RuntimeError:
        return False
    weight, bias, mean, deviation = read_linear_solution(product.model[1])  # type: ignore[arg-type]  # a Sequential
    activation = product.facts.task.activation
    backbone: Backbone = product.model[0]  # type: ignore[assignment]
    shown = backbone.widths[-1] if product.frozen_stages else 0
    write_graph(append_linear_head(graph, FEATURES, weight, bias, mean, deviation, activation, shown), path)
    return True


def convert_classifier(product: Product, path: Path) -> str:
    """Convert the whole classifier and write its graph; returns why not where OpenVINO cannot, else ""."""
    from sightx_cli.engine.choice import try_to_convert
    from sightx_cli.engine.conversion import write_graph
    from sightx_cli.model.classifier import complete_classifier

    facts = product.facts
    whole, names = complete_classifier(product.model, facts.task.build_activation(), product.frozen_stages)
    graph, reason = try_to_convert(whole, names, facts.size_px, facts.mean, facts.std)
    if graph is None:
        return f"OpenVINO cannot convert this network ({reason})"
    write_graph(graph, path)
    return ""

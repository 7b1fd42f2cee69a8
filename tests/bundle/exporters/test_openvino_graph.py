"""The compiled graph gives the probabilities of the model, whichever way it was made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli.bundle.exporters.openvino_graph import OpenVinoGraph, append_head
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.product import Product
from sightx_cli.engine.conversion import convert_module, write_graph
from sightx_cli.engine.headed_graph import append_linear_head
from sightx_cli.engine.interface import FEATURES, FROZEN, PROBABILITIES
from sightx_cli.engine.openvino_forward import load_openvino
from sightx_cli.model.backbone import Backbone, Prefix
from sightx_cli.model.head import build_head, read_linear_solution, set_linear_solution
from sightx_cli.model.moments import pool_map
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("a", "b", "c"))
MEAN, STD = (0.25, 0.5, 0.375), (0.5, 0.25, 0.75)
FACTS = BundleFacts(TASK, 32, "squash", MEAN, STD, "test_resnet", {"taps": "all"}, "mine")


@pytest.fixture
def classifier(open_backbone: Callable[..., Backbone], monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    """A small network with a solved head of three classes, computed in float32."""
    torch.manual_seed(0)
    backbone = open_backbone("test_resnet", 32, "all")
    head, features = build_head(backbone.feature_count, 3), backbone.feature_count
    solution = torch.randn(3, features) / 20, torch.randn(3), torch.randn(features), torch.rand(features) + 0.5
    set_linear_solution(head, *solution)
    return nn.Sequential(backbone, head).eval()


def draw_images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@torch.no_grad()
def compute_eagerly(model: nn.Module, images: Any) -> Any:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    normalised = (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    return model(normalised).softmax(1).numpy()


def predict(graph: Path) -> Any:
    [(_, outputs)] = load_openvino(graph, batch=8).run([(0, draw_images())])
    return outputs[PROBABILITIES]


def test_the_graph_gives_the_models_probabilities_of_uint8_images(classifier: nn.Sequential, tmp_path: Path) -> None:
    assert OpenVinoGraph().write(Product(classifier, FACTS), tmp_path) == ""
    assert {path.name for path in tmp_path.iterdir()} == set(OpenVinoGraph.files)
    probabilities = predict(tmp_path / "graph.xml")
    np.testing.assert_allclose(probabilities, compute_eagerly(classifier, draw_images()), atol=1e-4)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert probabilities.std(0).max() > 0.01  # the images differ


def test_a_head_put_behind_the_cached_graph_gives_the_same(classifier: nn.Sequential, tmp_path: Path) -> None:
    backbone, head = classifier
    assert isinstance(backbone, Backbone)
    assert isinstance(head, nn.Sequential)
    prefix, kept = Prefix(backbone, [2], features=True), tmp_path / "kept.xml"
    write_graph(convert_module(prefix, prefix.output_names(), 32, MEAN, STD), kept)
    assert append_head(Product(classifier, FACTS, kept), tmp_path / "graph.xml")
    probabilities = predict(tmp_path / "graph.xml")
    np.testing.assert_allclose(probabilities, compute_eagerly(classifier, draw_images()), atol=1e-4)


def test_the_graph_ends_with_the_activation_it_is_told(classifier: nn.Sequential, tmp_path: Path) -> None:
    backbone, head = classifier
    assert isinstance(backbone, Backbone)
    assert isinstance(head, nn.Sequential)
    prefix = Prefix(backbone, [2], features=True)
    graph = convert_module(prefix, prefix.output_names(), 32, MEAN, STD)
    solution = [part.numpy() for part in map(torch.as_tensor, read_linear_solution(head))]
    write_graph(append_linear_head(graph, FEATURES, *solution, "sigmoid"), tmp_path / "graph.xml")
    expected = compute_eagerly(classifier, draw_images())
    found = predict(tmp_path / "graph.xml")
    odds = found / (1 - found)
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, atol=1e-3)


def test_no_head_is_put_behind_a_damaged_graph(classifier: nn.Sequential, tmp_path: Path) -> None:
    (tmp_path / "kept.xml").write_text("<net/>")
    product = Product(classifier, FACTS, tmp_path / "kept.xml")
    assert not append_head(product, tmp_path / "graph.xml")
    assert not (tmp_path / "graph.xml").exists()
    assert OpenVinoGraph().write(product, tmp_path) == ""  # the network is converted instead
    np.testing.assert_allclose(predict(tmp_path / "graph.xml"), compute_eagerly(classifier, draw_images()), atol=1e-4)


@torch.no_grad()
def compute_frozen(model: nn.Sequential, images: Any, stages: int) -> Any:
    backbone = model[0]
    assert isinstance(backbone, Backbone)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    normalised = (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    maps, _ = backbone.run_stages(normalised, 0, stages)
    return (backbone.pool_last(maps) if stages == len(backbone.stages) else pool_map(maps, (2, 3))).numpy()


@pytest.mark.parametrize("behind", [0, 2], ids=["all stages", "but the last two"])
def test_the_features_of_frozen_stages_are_a_second_output(
    classifier: nn.Sequential, tmp_path: Path, behind: int
) -> None:
    stages = len(classifier[0].stages) - behind  # type: ignore[union-attr,arg-type]
    OpenVinoGraph().write(Product(classifier, FACTS, None, stages), tmp_path)
    [(_, outputs)] = load_openvino(tmp_path / "graph.xml", batch=8).run([(0, draw_images())])
    assert set(outputs) == {PROBABILITIES, FROZEN}
    expected = compute_frozen(classifier, draw_images(), stages)
    np.testing.assert_allclose(outputs[FROZEN], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(outputs[PROBABILITIES], compute_eagerly(classifier, draw_images()), atol=1e-4)


@pytest.mark.parametrize("taps", ["all", "last"])
def test_behind_the_cached_graph_they_are_the_networks_own_output_whatever_the_head_reads(
    open_backbone: Callable[..., Backbone], tmp_path: Path, taps: str
) -> None:
    backbone = open_backbone("test_resnet", 32, taps)
    classifier = nn.Sequential(backbone, build_head(backbone.feature_count, 3)).eval()
    prefix, kept = Prefix(backbone, [], features=True), tmp_path / "kept.xml"
    write_graph(convert_module(prefix, prefix.output_names(), 32, MEAN, STD), kept)
    assert append_head(Product(classifier, FACTS, kept, len(backbone.stages)), tmp_path / "graph.xml")
    [(_, outputs)] = load_openvino(tmp_path / "graph.xml", batch=8).run([(0, draw_images())])
    assert set(outputs) == {PROBABILITIES, FROZEN}
    expected = compute_frozen(classifier, draw_images(), len(backbone.stages))
    np.testing.assert_allclose(outputs[FROZEN], expected, rtol=1e-3, atol=1e-4)

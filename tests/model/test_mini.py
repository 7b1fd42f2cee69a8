"""The two small networks have the parameters that the field teaches, and are timm networks like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from sightx_cli.errors import WeightsError
from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.mini import SeparableConvolution, build_full_convolution
from sightx_cli.model.parameter_groups import choose_parameters, list_blocks
from sightx_cli.model.weights import find_weights
from sightx_cli.progress import Silent
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.session import build_session

BOTH = pytest.mark.parametrize("name", ["mini_resnet", "mini_separable"])


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_residual_blocks_have_the_parameters_of_two_convolutions_with_batchnorm_and_a_projection_where_needed() -> (
    None
):
    network = timm.create_model("mini_resnet", num_classes=10)
    assert [count(block) for block in (network.layer1, network.layer2, network.layer3)] == [18_560, 57_728, 73_984]
    assert [isinstance(network.get_submodule(f"{name}.projection"), nn.Identity) for name in LAYERS] == [
        True,
        False,
        True,
    ]


LAYERS = ("layer1", "layer2", "layer3")


@pytest.mark.parametrize(("channels", "separable", "full"), [((32, 64), 2_336, 18_432), ((64, 128), 8_768, 73_728)])
def test_a_separable_convolution_has_an_eighth_of_the_parameters(
    channels: tuple[int, int], separable: int, full: int
) -> None:
    assert count(SeparableConvolution(*channels)) == separable
    assert count(build_full_convolution(*channels)) == full


@BOTH
def test_eight_small_images_become_eight_rows_of_ten_logits(name: str) -> None:
    network = timm.create_model(name, num_classes=10).eval()
    with torch.no_grad():
        assert network(torch.randn(8, 3, 32, 32)).shape == (8, 10)
    network.reset_classifier(4)
    assert network(torch.randn(1, 3, 32, 32)).shape == (1, 4)
    network.reset_classifier(0)
    assert network(torch.randn(1, 3, 32, 32)).shape == (1, network.num_features)


@BOTH
def test_it_can_be_cut_between_its_four_stages(name: str, open_backbone: Callable[..., Backbone]) -> None:
    backbone = open_backbone(name, 32)
    assert backbone.stage_names == ("stem", *LAYERS)
    assert backbone.can_be_cut
    assert backbone.widths == (64, 64, 128, 64)


@BOTH
def test_the_last_stage_and_the_last_block_are_the_third(name: str, open_backbone: Callable[..., Backbone]) -> None:
    backbone = open_backbone(name, 32)
    third = {parameter for parameter, _ in backbone.network.named_parameters() if parameter.startswith("layer3.")}
    assert choose_parameters(backbone, "last:1") == third
    assert set(list_blocks(backbone.network)[-1]) == third


def test_it_has_no_pretrained_weights_and_says_how_to_go_on() -> None:
    with pytest.raises(WeightsError, match='timm has no pretrained weights for "mini_resnet"') as caught:
        find_weights("mini_resnet", build_network("mini_resnet", 32))
    assert "model.weights=scratch" in caught.value.hint


@pytest.mark.parametrize("recipe", ["mini-resnet", "mini-separable"])
def test_its_recipe_trains_every_layer_from_random_weights_and_solves_no_head_first(recipe: str, digits: Path) -> None:
    preparation = prepare(Options(str(digits), recipe, engine="torch"), Silent())
    session, _ = build_session(preparation, Silent())
    assert preparation.recipe.stage[0].epochs == 5
    assert (session.kept, session.features) == (None, None)
    assert session.norms_train()


def test_a_trained_one_is_built_again_from_its_bundle(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from sightx_cli import runs
    from sightx_cli.api.fit import fit
    from sightx_cli.api.predict import predict
    from sightx_cli.bundle.facts import load_facts
    from sightx_cli.model.classifier import load_classifier

    monkeypatch.chdir(tmp_path)
    settings = ("stage.0.epochs=1", "training.batch=8")
    result = fit(digits, recipe="mini-separable", settings=settings, out=tmp_path / "run")
    facts = load_facts(result.run)
    assert (facts.backbone, facts.size_px) == ("mini_separable", 32)
    weights = result.run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    model = load_classifier(facts.backbone, facts.head, facts.task.outputs, facts.size_px, weights)
    assert predict([digits], model=result.run, output=tmp_path / "labels.csv").images == 72
    pixels = np.zeros((1, 3, 32, 32), np.float32)
    with torch.no_grad():
        assert torch.isfinite(model(torch.from_numpy(pixels))).all()

"""What each stage of a network holds and costs: published figures, and sums that must agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.features.extraction import measure_row
from sightx_cli.features.shards import Column
from sightx_cli.model.backbone import Backbone, Prefix, check_names, find_own_size
from sightx_cli.model.classifier import build_untrained
from sightx_cli.model.cost import audit_training, list_cached, measure_cost
from sightx_cli.model.head import build_head
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.parts import Joining, TrainingStage
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import change_setting

Open = Callable[..., Backbone]


def change(recipe: str, **settings: object) -> Recipe:
    changed, _ = find_recipe(recipe)
    for key, value in settings.items():
        changed = change_setting(changed, key.replace("__", "."), value)
    return changed


def classify(backbone: Backbone, classes: int = 3, hidden: tuple[int, ...] = ()) -> nn.Sequential:
    return nn.Sequential(backbone, build_head(backbone.feature_count, classes, hidden))


@pytest.mark.parametrize(
    ("name", "published", "parameters"),
    [
        ("resnet50", 4.09e9, 25_557_032),  # He et al. 2016, counted with the strides of the common version
        ("mobilenetv2_100", 0.30e9, 3_504_872),  # Sandler et al. 2018
        ("mobilenetv1_100", 0.57e9, 4_231_976),  # Howard et al. 2017
        ("vgg16", 15.5e9, 138_357_544),  # Simonyan & Zisserman 2015, its classifier's layers included
        ("vit_small_patch16_224", 4.6e9, 22_050_664),  # Touvron et al. 2021: attention counts
        ("regnetx_002", 0.20e9, 2_684_792),  # Radosavovic et al. 2020: grouped
    ],
)
def test_multiply_adds_at_224_px_are_the_published_ones_within_two_percent(
    name: str, published: float, parameters: int
) -> None:
    recipe = change("natural-small", model__backbone=name, image__size_px=224)
    model = build_untrained(recipe, 1_000, shapes_only=True)
    cost = measure_cost(model, 224)
    assert cost.macs == pytest.approx(published, rel=0.02)
    assert cost.total == parameters


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_100", "densenet121", "regnetx_002"])
def test_the_stages_and_the_head_hold_all_that_the_classifier_holds(name: str, open_backbone: Open) -> None:
    model = classify(open_backbone(name, 64, "last"))
    cost = measure_cost(model, 64)
    assert [stage.name for stage in cost.stages] == [*model[0].stage_names, "head"]
    assert cost.total == sum(parameter.numel() for parameter in model.parameters())
    assert all(stage.macs > 0 and stage.activation_bytes > 0 for stage in cost.stages)
    assert (cost.output_shape, cost.is_finite) == ((1, 3), True)


def test_output_shapes_are_those_of_the_stages(open_backbone: Open) -> None:
    cost = measure_cost(classify(open_backbone("resnet18", 64)), 64)
    assert [stage.output_shape for stage in cost.stages] == [
        (64, 16, 16),
        (64, 16, 16),
        (128, 8, 8),
        (256, 4, 4),
        (512, 2, 2),
        (3,),
    ]


def test_counting_needs_no_numbers(open_backbone: Open) -> None:
    with torch.device("meta"):
        recipe = change("natural-small", model__backbone="resnet18", image__size_px=64)
        empty = measure_cost(build_untrained(recipe, 5), 64)
    real = measure_cost(classify(open_backbone("resnet18", 64, "last"), 5), 64)
    assert empty.stages == real.stages
    assert (empty.is_finite, real.is_finite) == (False, True)


def test_a_training_stage_trains_its_stages_at_their_rates(open_backbone: Open) -> None:
    model = classify(open_backbone("resnet18", 64))
    rate = {"stem": 1e-5, "layer1": 1e-5, "layer2": 1e-5, "layer3": 1e-4, "layer4": 1e-4, "head": 1e-3}
    audited = audit_training(model, TrainingStage(train="all", epochs=1, rate=rate))
    assert audited.rates_of == ((1e-5,), (1e-5,), (1e-5,), (1e-4,), (1e-4,), (1e-3,))
    assert audited.trainable == sum(parameter.numel() for parameter in model.parameters())


def test_of_a_stage_that_trains_in_part_only_that_part_counts(open_backbone: Open) -> None:
    model = classify(open_backbone("resnet18", 64))
    audited = audit_training(model, TrainingStage(train="last-blocks:1", epochs=1, rate=1e-3))
    trained = sum(parameter.numel() for parameter in model[0].network.layer4[1].parameters())
    head = sum(parameter.numel() for parameter in model[1].parameters())
    assert audited.trainable_of == (0, 0, 0, 0, trained, head)
    assert audited.rates_of == ((), (), (), (), (1e-3,), (1e-3,))
    assert audited.cut == 4


def test_a_stage_of_the_network_has_the_rates_of_all_the_shares_it_holds(open_backbone: Open) -> None:
    model = classify(open_backbone("resnet18", 64, "last"))
    rate = {"0-40%": 1e-6, "40-100%": 1e-4, "head": 1e-3}  # of 40 layers 16: stem 2, layer1 8, and 6 of layer2's 10
    audited = audit_training(model, TrainingStage(train="all", epochs=1, rate=rate))
    assert audited.rates_of == ((1e-6,), (1e-6,), (1e-6, 1e-4), (1e-4,), (1e-4,), (1e-3,))
    held = [stage.parameters for stage in measure_cost(model, 64).stages]
    assert list(audited.trainable_of) == held


def test_what_joins_within_a_stage_counts_from_then_on(open_backbone: Open) -> None:
    model = classify(open_backbone("resnet18", 64, "last"))
    joining = Joining(after=2, train="last:1", rate=1e-4)
    audited = audit_training(model, TrainingStage(train="head", epochs=5, rate=1e-3, join=(joining,)))
    layer4, head = (sum(p.numel() for p in part.parameters()) for part in (model[0].network.layer4, model[1]))
    assert audited.trainable_after == ((0, head), (2, head + layer4))
    assert audited.rates_of == ((), (), (), (), (1e-4,), (1e-3,))
    assert (audited.trainable, audited.cut) == (head + layer4, 4)


@pytest.mark.parametrize(
    ("cuts", "taps"), [([5], "all"), ([4, 5], "all"), ([4, 2], "last:3"), ([0, 3], "last"), ([1], "last:3")]
)
def test_what_is_cached_is_what_the_store_will_hold(cuts: list[int], taps: str, open_backbone: Open) -> None:
    backbone = open_backbone("resnet18", 64, taps)
    model = classify(backbone)
    prefix = Prefix(backbone, [cut for cut in cuts if 0 < cut < 5], features=True)
    kept = list_cached(model, measure_cost(model, 64), cuts)
    assert [one.shape for one in kept] == list(prefix.output_shapes().values())
    assert sum(one.bytes for one in kept) == measure_row(
        {name: Column(shape) for name, shape in prefix.output_shapes().items()}
    )


def test_nothing_is_cached_where_nothing_is_frozen(open_backbone: Open) -> None:
    model = classify(open_backbone("resnet18", 64))
    assert list_cached(model, measure_cost(model, 64), [0, 0]) == ()


def test_every_unknown_name_is_said_with_its_nearest() -> None:
    with pytest.raises(ModelError, match=r'"resnet5O" is not .*; backbone "vgg61" is not') as caught:
        check_names(["resnet5O", "resnet50", "vgg61"])
    assert "for resnet5O the nearest names: resnet50" in caught.value.hint
    assert "for vgg61 the nearest names: vgg" in caught.value.hint


@pytest.mark.parametrize(("name", "size_px"), [("resnet50", 224), ("vit_base_patch16_384", 384), ("test_resnet", 160)])
def test_a_network_has_a_size_of_its_own(name: str, size_px: int) -> None:
    assert find_own_size(name) == size_px


@pytest.mark.parametrize(
    ("name", "taps"),
    [("resnet18", "all"), ("mobilenetv2_100", "last:3"), pytest.param("vgg11", "last", marks=pytest.mark.slow)],
)
def test_the_shapes_said_of_a_prefix_are_those_of_its_outputs(open_backbone: Open, name: str, taps: str) -> None:
    prefix = Prefix(open_backbone(name, 64, taps), [2, 4], features=True).eval()
    with torch.no_grad():
        outputs = prefix(torch.rand(1, 3, 64, 64))
    shapes = [tuple(output.shape[1:]) for output in outputs]
    assert list(prefix.output_shapes().items()) == list(zip(prefix.output_names(), shapes, strict=True))

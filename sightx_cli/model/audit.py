"""What a network holds and costs, and what a recipe trains of it: counted, and judged against the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from sightx_cli.model.bare_recipe import build_audited_recipe
from sightx_cli.model.classifier import build_untrained
from sightx_cli.model.cost import audit_training, list_cached, measure_cost
from sightx_cli.model.weights_at_hand import find_weights_at_hand
from sightx_cli.recipe.capacity import Capacity, PartSize, explain_share, judge_capacity
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.results.audit import AuditResult, BackboneFacts

COMPARED_DEPTHS = {"head": 0, "last:1": 1, "last:2": 2}
"""What a comparison lets train, and how many of the last stages that leaves unfrozen."""


def audit_classifier(
    model: nn.Sequential,
    recipe: Recipe,
    is_recipe: bool,
    classes: int,
    is_classes_given: bool,
    run: Path | None = None,
    images: int | None = None,
) -> AuditResult:
    """Measure a classifier, and describe what a recipe trains of it."""
    training = tuple(audit_training(model, stage) for stage in recipe.stage)
    cost = measure_cost(model, recipe.image.size_px)
    shares = [
        PartSize(stage.name, stage.parameters, trainable, stage.macs)
        for stage, trainable in zip(cost.stages, training[-1].trainable_of, strict=True)
    ]
    return AuditResult(
        backbone=recipe.model.backbone,
        recipe=recipe.name if is_recipe else None,
        run=run,
        classes=classes,
        is_classes_given=is_classes_given,
        size_px=recipe.image.size_px,
        cost=cost,
        training=training,
        kept=list_cached(model, cost, [stage.cut for stage in training]),
        views=recipe.training.views,
        capacity=_judge(shares, training[-1].rates_of, recipe, images) if is_recipe else None,
        why=explain_share(shares) if is_recipe else None,
    )


def _judge(
    shares: Sequence[PartSize], rates_of: Sequence[Sequence[float]], recipe: Recipe, images: int | None
) -> Capacity:
    *stages, head = rates_of
    return judge_capacity(
        shares,
        recipe.when.images if images is None else (images, images),
        recipe.when.shift,
        is_run=images is not None,
        is_scratch=recipe.model.weights == "scratch",
        has_hidden_layers=bool(recipe.model.head.hidden),
        rate_ratio=max((rate for rates in stages for rate in rates), default=0.0) / max(head),
    )


def weigh_backbone(name: str, classes: int, settings: Sequence[str]) -> BackboneFacts:
    """Count one backbone with a linear classifier, without its weights."""
    recipe = build_audited_recipe(None, name, settings)
    model = build_untrained(recipe, classes, shapes_only=True)
    cost = measure_cost(model, recipe.image.size_px)
    count = len(cost.stages) - 1
    store = {
        train: sum(one.bytes for one in list_cached(model, cost, [count - depth]))
        for train, depth in COMPARED_DEPTHS.items()
        if depth == 0 or (cost.can_be_cut and depth < count)
    }
    return BackboneFacts(
        name,
        recipe.image.size_px,
        cost.total,
        cost.macs,
        cost.features,
        tuple(stage.name for stage in cost.stages[:-1]),
        cost.activation_bytes,
        find_weights_at_hand(name),
        store,
    )

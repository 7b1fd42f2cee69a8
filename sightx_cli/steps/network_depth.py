"""What each stage of a network knows about the images: up to where freezing costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sightx_cli.metrics.registry import METRICS
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.recipe_search import Chooser


def measure_depth(chooser: Chooser, preparation: Preparation) -> list[dict[str, Any]]:
    """Measure a head on each stage's output alone, and on all outputs up to it, to see where it gains nothing more."""
    from sightx_cli.model.classifier import build_backbone
    from sightx_cli.steps.session import say_weights

    probe, features = chooser.probe, chooser.features
    widths = features.widths
    if len(widths) < 2:
        return []
    backbone, weights = build_backbone(chooser.recipe, preparation.options.weights_file())
    say_weights(weights, chooser.recipe.model.backbone, chooser.listener)
    balanced = chooser.recipe.training.class_weights == "balanced"
    ends = np.cumsum(widths)
    stages = []
    for name, width, end in zip((*backbone.stage_names[: len(widths) - 1], "last output"), widths, ends, strict=True):
        alone = probe.measure(features.rows[:, end - width : end], balanced)
        up_to = probe.measure(features.rows[:, :end], balanced)
        stages.append(
            {
                "stage": name,
                "alone": alone.metrics[probe.metric],
                "alone_error": alone.errors[probe.metric],
                "up_to": up_to.metrics[probe.metric],
                "up_to_error": up_to.errors[probe.metric],
            }
        )
    return stages


def describe_depth(depth: Sequence[dict[str, Any]], metric: str) -> str:
    """Say where freezing pays: the stage after which the network gains nothing more on these images."""
    known = [stage for stage in depth if stage["up_to"] is not None]
    if not known:
        return ""
    sign = -1.0 if METRICS[metric].lower_is_better else 1.0
    best = max(known, key=lambda stage: sign * stage["up_to"])
    edge = sign * best["up_to"] - best["up_to_error"]
    first = next(stage for stage in known if sign * stage["up_to"] >= edge)
    if first is depth[-1]:
        return "every stage improves on the earlier ones: all of them matter"
    return (
        f"the stages up to {first['stage']} already do as well as all, within one standard error: freezing them costs "
        "nothing, the later stages are the ones to train"
    )

"""What each stage of a network knows about the images: up to where freezing costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightx_cli.metrics.registry import METRICS
from sightx_cli.results.probe import StageFigure
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.recipe_search import Chooser


def measure_depth(chooser: Chooser, preparation: Preparation) -> tuple[StageFigure, ...]:
    """Measure a head on each stage's output alone, and on all outputs up to it: where the network has said it all."""
    from sightx_cli.model.classifier import build_backbone
    from sightx_cli.steps.session import say_weights

    probe, features = chooser.probe, chooser.features
    widths = features.widths
    if len(widths) < 2:
        return ()
    backbone, weights = build_backbone(chooser.recipe, preparation.options.weights_file())
    say_weights(weights, chooser.recipe.model.backbone, chooser.listener)
    balanced = chooser.recipe.training.class_weights == "balanced"
    ends = np.cumsum(widths)
    stages = []
    for name, width, end in zip((*backbone.stage_names[: len(widths) - 1], "last output"), widths, ends, strict=True):
        alone = probe.measure(features.rows[:, end - width : end], balanced)
        up_to = probe.measure(features.rows[:, :end], balanced)
        figures = [(one.figures.metrics[probe.metric], one.figures.errors[probe.metric]) for one in (alone, up_to)]
        stages.append(StageFigure(name, *figures[0], *figures[1]))
    return tuple(stages)


def describe_depth(depth: Sequence[StageFigure], metric: str) -> str:
    """Say where freezing pays: from which stage on the network adds nothing that these images show."""
    known = [(stage, stage.up_to) for stage in depth if stage.up_to is not None]
    if not known:
        return ""
    sign = -1.0 if METRICS[metric].lower_is_better else 1.0
    best, most = max(known, key=lambda one: sign * one[1])
    edge = sign * most - best.up_to_error
    first = next(stage for stage, figure in known if sign * figure >= edge)
    if first is depth[-1]:
        return "every stage improves on the earlier ones: all of them matter"
    return (
        f"the stages up to {first.stage} already say what all say, within one standard error: freezing them costs "
        "nothing, the stages behind are the ones to train"
    )

"""`probe`: which choices of a recipe pay on these images, measured by quick heads on the train part alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli import runs
from sightx_cli.errors import UsageError
from sightx_cli.metrics.figures import LOWER_IS_BETTER
from sightx_cli.progress import Listener, Silent
from sightx_cli.results.probe import ProbeResult
from sightx_cli.steps.options import Request
from sightx_cli.steps.preparation import Preparation, prepare
from sightx_cli.steps.recipe_search import Chooser, apply_probe, describe_probe, open_probe

PROBING = "probe: measuring the recipe's choices"
"""The task as the user sees it."""


def probe(
    source: str | Path,
    *,
    recipe: str = "auto",
    shift: str | None = None,
    profile: str | None = None,
    backbone: str | None = None,
    weights: Path | None = None,
    weights_mean: float | Sequence[float] | None = None,
    weights_std: float | Sequence[float] | None = None,
    weights_prefix: str | None = None,
    settings: Sequence[str] = (),
    rate: float | str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    seed: int = 0,
    device: str = "auto",
    group_by: str | None = None,
    engine: str = "auto",
    cache: bool = True,
    exclude: Path | None = None,
    resplit: bool = False,
    allow_leaks: bool = False,
    budget: float | None = None,
    listener: Listener | None = None,
) -> ProbeResult:
    """Measure a recipe's choices on the train part: taps, class weights, size, fit, networks at hand; and its stages.

    `budget` is in seconds; None for a tenth of what the fit would take, at least ten. Nothing of the valid or test
    part is looked at. The picture lies in `out`, a PNG file or a folder, or under `runs/`. Raises SightXError for
    anything wrong in the input.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    if budget is not None and not budget > 0:
        raise UsageError(f"--budget {budget}: allowed is a number of seconds above 0", "--budget 60")
    if rate is not None:
        raise UsageError("--rate says how a head trains, and the probe solves its heads", "leave --rate out")
    if not cache:
        raise UsageError("--no-cache: the probe compares features that it keeps", "leave --no-cache out")
    request = Request(
        source=str(source),
        recipe=recipe,
        shift=shift,
        profile=profile,
        backbone=backbone,
        weights=weights,
        weights_mean=weights_mean,
        weights_std=weights_std,
        weights_prefix=weights_prefix,
        settings=settings,
        seed=seed,
        device=device,
        group_by=group_by,
        engine=engine,
        exclude=exclude,
        resplit=resplit,
        allow_leaks=allow_leaks,
        folds=0,
    )
    picture = choose_picture(out, overwrite)
    preparation = prepare(request, listener)
    probe = open_probe(preparation, budget)
    if probe is None or preparation.recipe.model.weights == "scratch":
        raise UsageError(
            "the probe compares heads on a pretrained network, in two folds at least: "
            + ("a class has too few images or groups" if probe is None else "this recipe starts from scratch"),
            "add images, or name another --recipe",
        )
    chooser = Chooser(probe, preparation, listener)
    chooser.run(preparation.metric)
    depth = measure_depth(chooser, preparation)
    from sightx_cli.report.probe_plot import plot_probe

    found = describe_probe(probe)
    runs.write_file(picture, lambda aside: plot_probe(found["choices"], depth, probe.metric, aside))
    return ProbeResult(
        recipe=preparation.recipe.name,
        metric=probe.metric,
        images=len(probe.paths),
        choices=found["choices"],
        chosen=found["chosen"],
        evidence=found["evidence"],
        skipped=found["skipped"],
        depth=depth,
        freezing=describe_depth(depth, probe.metric),
        picture=picture,
        budget_seconds=found["budget_seconds"],
        seconds={"probe": found["seconds"], "total": round(time.perf_counter() - began, 3)},
    )


def probe_recipe(preparation: Preparation, listener: Listener) -> Preparation:
    """Measure the table's recipe before a fit, and put what is better into its place; says what was found.

    Left out, with one line why, where nothing may be kept, nothing is pretrained, or there are too few images.
    """
    request = preparation.request
    probe = open_probe(preparation, None)
    why = None
    if not request.cache:
        why = "--no-cache"
    elif preparation.recipe.model.weights == "scratch":
        why = "the recipe starts from scratch"
    elif probe is None:
        why = "a class has too few images or groups to compare"
    if why or probe is None:
        listener.note(f"no probe: {why}")
        return preparation
    clock = time.perf_counter()
    listener.start(PROBING, None, "")
    chooser = Chooser(probe, preparation, listener)
    recipe = chooser.run(preparation.metric)
    listener.finish(PROBING)
    probed = apply_probe(preparation, probe, recipe)
    taken = time.perf_counter() - clock
    for key in probe.chosen:
        listener.note(f"probe: {probe.evidence[key]}")
    if not probe.chosen:
        listener.note(
            f"probe: {len(probe.trials)} heads compared in {taken:.0f} s, the recipe stands (plan.json says why)"
        )
    return replace(probed, seconds={**preparation.seconds, "probe": taken})


def measure_depth(chooser: Chooser, preparation: Preparation) -> list[dict[str, Any]]:
    """Measure a head on each stage's output alone, and on all outputs up to it: where the network has said it all."""
    from sightx_cli.model.classifier import build_backbone
    from sightx_cli.steps.session import say_weights

    probe, features = chooser.probe, chooser.features
    widths = features.widths
    if len(widths) < 2:
        return []
    backbone, weights = build_backbone(chooser.recipe, preparation.request.weights_file())
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
    """Say where freezing pays: from which stage on the network adds nothing that these images show."""
    known = [stage for stage in depth if stage["up_to"] is not None]
    if not known:
        return ""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    best = max(known, key=lambda stage: sign * stage["up_to"])
    edge = sign * best["up_to"] - best["up_to_error"]
    first = next(stage for stage in known if sign * stage["up_to"] >= edge)
    if first is depth[-1]:
        return "every stage adds to what the earlier ones say: keep them all"
    return (
        f"the stages up to {first['stage']} already say what all say, within one standard error: freezing them costs "
        "nothing, the stages behind are the ones to train"
    )


def choose_picture(out: Path | None, overwrite: bool) -> Path:
    """Return where the picture will lie; refuses one that exists unless it may be replaced."""
    if out is None:
        return (runs.RUNS / f"{datetime.now():%Y%m%d-%H%M%S}-probe.png").absolute()
    picture = out if out.suffix.lower() == ".png" else out / "probe.png"
    if picture.exists() and not overwrite:
        raise UsageError(f"--out {picture}: exists already", "name another file, or add --overwrite")
    return picture.absolute()

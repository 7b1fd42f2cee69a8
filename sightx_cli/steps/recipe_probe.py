"""Before a fit by the table's recipe: its choices measured, and replaced where another is better."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.rates import HEAD
from sightx_cli.recipe.settings import BACKBONE
from sightx_cli.recipe.stage_titles import describe_stage
from sightx_cli.recipe.values import BESIDE
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.recipe_search import Chooser, apply_probe, open_probe

PROBING = "probe: measuring the recipe's choices"
"""The task as the user sees it."""


def probe_recipe(preparation: Preparation, listener: Listener) -> Preparation:
    """Measure the table's recipe before a fit, and replace what measures better; reports what was found.

    Skipped, with one line why, if nothing may be cached, nothing is pretrained, or there are too few images.
    """
    probe = open_probe(preparation, preparation.options.budget)
    why = None
    if not preparation.options.cache:
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
    if left_out := list_untuned(probed):
        probed = leave_untuned(probed, left_out)
        listener.notice(describe_untuned(left_out))
    taken = time.perf_counter() - clock
    for key in probe.chosen:
        listener.note(f"probe: {probe.evidence[key]}")
    if not probe.trials:
        why = f" ({probe.skipped[0]})" if probe.skipped else ""
        listener.note(f"probe: nothing is compared, recipe unchanged{why}")
    elif not probe.chosen:
        listener.note(
            f"Compared {len(probe.trials)} variants: none is clearly better, recipe unchanged. "
            f"Details: {preparation.options.write_command('probe')}"
        )
    return replace(probed, seconds={**preparation.seconds, "probe": taken})


def list_untuned(probed: Preparation) -> tuple[TrainingStage, ...]:
    """List the stages at a recipe's end that are left out since the probe put networks side by side.

    They would take the time of all networks, and write the maps of all. None with `--full`, where the user set the
    stages, or where nothing would train before them.
    """
    stages, values = probed.recipe.stage, probed.plan.values
    is_set = any(item.origin == "option" for key, item in values.items() if key.startswith("stage."))
    if (
        values[BACKBONE].origin != "probe"
        or BESIDE not in probed.recipe.model.backbone
        or probed.options.full
        or is_set
    ):
        return ()
    kept = next((place for place, stage in enumerate(stages) if stage.train != HEAD), len(stages))
    return stages[kept:] if kept else ()


def leave_untuned(probed: Preparation, left_out: Sequence[TrainingStage]) -> Preparation:
    """Return the preparation without these stages at its recipe's end."""
    recipe, plan = probed.recipe, probed.plan
    kept = len(recipe.stage) - len(left_out)
    gone = tuple(f"stage.{place}." for place in range(kept, len(recipe.stage)))
    recipe = recipe.model_copy(update={"stage": recipe.stage[:kept]})
    values = {key: item for key, item in plan.values.items() if not key.startswith(gone)}
    return replace(probed, recipe=recipe, plan=replace(plan, recipe=recipe, values=values))


def describe_untuned(left_out: Sequence[TrainingStage]) -> Notice:
    """Say which stages are left out, and what to type for them."""
    titles = ", ".join(describe_stage(stage.title, True).removeprefix("stage: ") for stage in left_out)
    why = "the probe put networks side by side, and tuning takes the time of all of them"
    return Notice("stage-skipped", f"{titles}: left out, for {why} (--full trains it)", len(left_out))

"""Before a fit by the table's recipe: its choices measured, and replaced where another is better."""

from __future__ import annotations

import time
from dataclasses import replace

from sightx_cli.progress import Listener
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.probe_images import open_probe
from sightx_cli.steps.recipe_search import Chooser, apply_probe

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
    taken = time.perf_counter() - clock
    for key in probe.chosen:
        listener.note(f"probe: {probe.evidence[key]}")
    if not probe.trials and not probe.dropped:
        why = f" ({probe.skipped[0]})" if probe.skipped else ""
        listener.note(f"probe: nothing is compared, recipe unchanged{why}")
    elif not probe.chosen:
        listener.note(
            f"Compared {len(probe.trials) + len(probe.dropped)} variants: none is clearly better, recipe unchanged. "
            f"Details: {preparation.options.write_command('probe')}"
        )
    return replace(probed, seconds={**preparation.seconds, "probe": taken})

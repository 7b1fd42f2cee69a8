"""Options that do nothing beside others: one that says something is refused, a harmless one is spoken of."""

from __future__ import annotations

from sightx_cli.errors import UsageError
from sightx_cli.progress import Listener
from sightx_cli.steps.options import Options


def refuse_idle_shift(options: Options) -> None:
    """Raise UsageError where `--shift`, which only chooses a recipe, stands beside a recipe that is named."""
    if options.shift is not None and options.recipe != "auto":
        raise UsageError(
            f"--shift {options.shift} does nothing beside --recipe {options.recipe}: it only chooses a recipe",
            "leave one of the two out",
        )


def mention_idle(options: Options, listener: Listener) -> None:
    """Say which options of a new fit change nothing, so that nobody counts on them."""
    if not options.probe and options.is_recipe_named:
        named = "--recipe" if options.recipe != "auto" else "--from"
        listener.note(f"--no-probe does nothing beside {named}: a recipe that is named is not probed")
    if options.overwrite and options.out is None:
        listener.note("--overwrite does nothing without --out: a run has a new folder of its own")

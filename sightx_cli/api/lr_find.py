"""`find_lr`: the learning-rate finder on one stage of a recipe."""

from __future__ import annotations

import time
from dataclasses import replace

from sightx_cli import runs
from sightx_cli.errors import UsageError
from sightx_cli.filesystem import check_place
from sightx_cli.machine import naming_shortage
from sightx_cli.progress import Listener
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.report.result_folder import choose_picture
from sightx_cli.results.lr_find import LrFindResult
from sightx_cli.steps.backbone_choice import refuse_auto
from sightx_cli.steps.idle_options import refuse_idle_shift
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.steps.signature import take_options


@take_options("lr-find")
@keeping_random_state()
def find_lr(options: Options, listener: Listener) -> LrFindResult:
    """Find a learning rate for a stage of the recipe.

    fastai's finder, from the head that `fit` starts from: the linear probe's solution, or a fresh one where it is not
    linear. The picture of the curve is written to `out`, a PNG file, or under `runs/`. Raises SightXError for anything
    wrong in the input.
    """
    began = time.perf_counter()
    if options.rate is not None:
        raise UsageError("--rate is what lr-find finds", "leave --rate out")
    refuse_auto(options, "lr-find")
    refuse_idle_shift(options)
    plot = choose_picture("lr-find", options.out, options.overwrite)
    check_place("--out", plot, options.out is not None)
    preparation = prepare(replace(options, folds=0), listener)
    chosen = choose_stage(preparation.recipe, options.stage)
    from sightx_cli.steps.session import build_session

    batch, size_px = preparation.recipe.training.batch, preparation.recipe.image.size_px
    with naming_shortage("looking for a learning rate", batch, size_px):
        session, _ = build_session(preparation, listener)
        from sightx_cli.train.rate_finder import find_rates
        from sightx_cli.train.solved_head import scale_head, set_solved_head

        is_solved = set_solved_head(session) is not None
        if not is_solved:
            scale_head(session)
        clock = time.perf_counter()
        found = find_rates(session, chosen, is_solved)
        finder_seconds = time.perf_counter() - clock
    from sightx_cli.report.plots import plot_rates

    runs.write_file(plot, lambda aside: plot_rates(found.rates, found.losses, found.marks, aside))
    return LrFindResult(
        **vars(found),
        stage=chosen.title,
        plot=plot,
        seconds={"finder": round(finder_seconds, 3), "total": round(time.perf_counter() - began, 3)},
    )


def choose_stage(recipe: Recipe, stage: str | int | None) -> TrainingStage:
    """Return the recipe's stage of this name, title or number; the first for None. Raises UsageError on another."""
    if stage is None:
        return recipe.stage[0]
    for number, one in enumerate(recipe.stage):
        if stage in (str(number), one.name, one.title):
            return one
    titles = ", ".join(f"{number} ({one.title})" for number, one in enumerate(recipe.stage))
    raise UsageError(f"--stage {stage}: {recipe.name} has the stages {titles}", "--stage 0")

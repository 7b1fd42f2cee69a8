"""`find_lr`: the learning-rate finder on one stage of a recipe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sightx_cli import runs
from sightx_cli.errors import UsageError
from sightx_cli.progress import Listener, Silent
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.results.lr_find import LrFindResult
from sightx_cli.steps.options import Request
from sightx_cli.steps.preparation import prepare


def find_lr(
    source: str | Path,
    *,
    stage: str | None = None,
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
    listener: Listener | None = None,
) -> LrFindResult:
    """Find a learning rate for a stage of the recipe (its name or number; the first by default).

    fastai's finder, always from a fresh head, on the plain view of each image. The picture of the curve lies in
    `out`, a PNG file, or under `runs/`. Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    if rate is not None:
        raise UsageError("--rate is what lr-find finds", "leave --rate out")
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
        cache=cache,
        exclude=exclude,
        resplit=resplit,
        allow_leaks=allow_leaks,
        folds=0,
    )
    plot = choose_plot(out, overwrite)
    preparation = prepare(request, listener)
    chosen = choose_stage(preparation.recipe, stage)
    from sightx_cli.steps.session import build_session

    session, _ = build_session(preparation, listener, views=1, solving=False)
    from sightx_cli.report.plots import plot_rates
    from sightx_cli.train.rate_finder import find_rates
    from sightx_cli.train.solved_head import scale_head

    scale_head(session)
    clock = time.perf_counter()
    found = find_rates(session, chosen)
    finder_seconds = time.perf_counter() - clock
    runs.write_file(plot, lambda aside: plot_rates(found.rates, found.losses, found.suggestions, aside))
    return LrFindResult(
        chosen.title,
        found.suggestions,
        found.suggestions["valley"],
        plot,
        {"finder": round(finder_seconds, 3), "total": round(time.perf_counter() - began, 3)},
        list(found.rates),
        list(found.losses),
    )


def choose_stage(recipe: Recipe, stage: str | None) -> TrainingStage:
    """Return the recipe's stage of this name, title or number; the first for None. Raises UsageError on another."""
    if stage is None:
        return recipe.stage[0]
    for number, one in enumerate(recipe.stage):
        if stage in (str(number), one.name, one.title):
            return one
    titles = ", ".join(f"{number} ({one.title})" for number, one in enumerate(recipe.stage))
    raise UsageError(f"--stage {stage}: {recipe.name} has the stages {titles}", "--stage 0")


def choose_plot(out: Path | None, overwrite: bool) -> Path:
    """Return where the picture will lie; refuses one that exists unless it may be replaced."""
    if out is None:
        return runs.find_free((runs.RUNS / f"{datetime.now():%Y%m%d-%H%M%S}-lr-find.png").absolute())
    plot = out if out.suffix.lower() == ".png" else out / "lr-find.png"
    if plot.exists() and not overwrite:
        raise UsageError(f"--out {plot}: exists already", "name another file, or add --overwrite")
    return plot.absolute()

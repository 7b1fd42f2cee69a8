"""The training of a fit: the head solved, then the recipe's stages in their order, at the rates asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.progress import Listener
from sightx_cli.steps.preparation import Preparation

if TYPE_CHECKING:
    from sightx_cli.train.state import Session


def train(preparation: Preparation, session: Session, listener: Listener) -> tuple[bool, float]:
    """Solve the head, run the stages; returns whether Ctrl-C ended it, and the factor on the recipe's rates."""
    from sightx_cli.train.solved_head import solve_head
    from sightx_cli.train.stage_runs import run_stage

    interrupted = False
    factor = choose_rate_factor(preparation, session, listener)
    try:
        solve_head(session)
        for stage in preparation.recipe.stage:
            run_stage(session, stage, factor)
    except KeyboardInterrupt:
        if not session.best.figures:
            raise  # not one epoch is done: there is nothing to keep
        interrupted = True
        listener.warn("interrupted: the run is finished from the best epoch so far")
        session.best.restore(session.model)
    return interrupted, factor


def choose_rate_factor(preparation: Preparation, session: Session, listener: Listener) -> float:
    """Return what every rate of the recipe is multiplied by: 1, or what brings the first stage's head to `--rate`."""
    from sightx_cli.model.parameter_groups import build_stage_groups, stage_rates
    from sightx_cli.train.rate_finder import find_rates
    from sightx_cli.train.solved_head import scale_head

    rate, first = preparation.options.rate, preparation.recipe.stage[0]
    if rate is None:
        return 1.0
    recipe_rate = stage_rates(first, build_stage_groups(session.backbone, session.head, first))[-1]
    if rate == "auto":
        scale_head(session)
        rate = find_rates(session, first).chosen
        listener.note(f"learning rate found: {rate:.1e} for the first stage's head (the recipe says {recipe_rate:.1e})")
    return float(rate) / recipe_rate

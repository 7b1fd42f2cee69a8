"""The training of a fit: the head solved, then the recipe's stages in their order, at the rates asked for."""

from __future__ import annotations

import gc
import random
import sys
from typing import TYPE_CHECKING

from sightx_cli.errors import SightXError, TrainingError
from sightx_cli.journal.journal import Journal
from sightx_cli.machine import build_shortage
from sightx_cli.progress import Listener
from sightx_cli.recipe.words import name_train_loss
from sightx_cli.startup.imports import TRAINING, load_module
from sightx_cli.startup.termination import name_interrupt
from sightx_cli.steps.follower import join_at_point
from sightx_cli.steps.needless_stages import describe_needless
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.random_state import keeping_random_state

if TYPE_CHECKING:
    from sightx_cli.train.keeper import Keeper
    from sightx_cli.train.state import Session


def train(preparation: Preparation, session: Session, journal: Journal, listener: Listener) -> tuple[str, float]:
    """Solve the head and run the stages, or go on with them; the model ends with the weights of the best epoch.

    Returns why the training ended early, empty if it did not, and the factor on the recipe's rates. What ends it before
    there is an epoch to keep is raised.
    """
    from sightx_cli.train.keeper import Keeper

    keeper, stopped = Keeper(session, journal, 1.0), ""
    try:
        run_stages(preparation, session, keeper, listener)
    except KeyboardInterrupt as interrupt:
        if not session.best.figures or not session.processes.is_alone:
            raise  # not one epoch is done: there is nothing to keep; or the other processes end now
        stopped = name_interrupt(interrupt)
    except Exception as error:
        recipe = preparation.recipe
        told: SightXError | None = build_shortage(error, "training", recipe.training.batch, recipe.image.size_px)
        if told is None and isinstance(error, TrainingError):
            told = error
        if told is None or not session.best.figures:
            raise
        if not session.processes.is_alone and not isinstance(error, TrainingError):
            raise  # the other processes have memory left, and train on
        stopped = f"{told.message}; {told.hint}" if told.hint else told.message
    if stopped:
        release_memory()
        listener.warn(f"{stopped}: the run is finished from the best epoch so far")
    session.best.restore(session.model)
    if not session.processes.is_alone:
        from sightx_cli.train.distribution import compare_weights

        compare_weights(session, listener)
    return stopped, keeper.factor


def release_memory() -> None:
    """Give back what a training that ended early still holds, so that its model can be measured."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def run_stages(preparation: Preparation, session: Session, keeper: Keeper, listener: Listener) -> None:
    """Run what the journal does not have yet."""
    from sightx_cli.recipe.stage_titles import SOLVED
    from sightx_cli.train.random_states import set_random_states
    from sightx_cli.train.solved_head import choose_head, judge_head, set_solved_head, start_from_head

    if not session.processes.is_alone:
        import sightx_cli.train.distribution  # noqa: F401 (now, and not within a stage)
    # Again, for libraries draw numbers while they are imported (rich does), and which are depends on the caller.
    random.seed(preparation.options.seed)
    processes = session.processes
    point = keeper.go_on() if processes.is_first else None
    if point is None and processes.is_first:
        is_carried = start_from_head(session)
        is_solved = set_solved_head(session) is not None
        keeper.factor = choose_rate_factor(preparation, session, listener, is_solved)
        if is_solved:
            judge_head(session)
        if is_carried:
            choose_head(session)
        keeper.keep_solved(SOLVED)
        first = 0
    elif point is not None:
        listener.note(f"going on after {point.describe()}")
        for row in session.history:
            listener.epoch({**row, "metric": session.metric})
        first = point.stage + point.is_last
    if (joined := join_at_point(keeper, processes)) is not None:
        point, first = joined, joined.stage + joined.is_last
    if differs := name_train_loss(preparation.recipe):
        listener.note(f"train loss is measured with {differs}, valid loss without: the two are not comparable")
    for number in range(first, len(preparation.recipe.stage)):
        if point is not None and point.is_last and number == first and keeper.state is not None:
            session.best.restore(session.model)  # as at the end of the stage before
            set_random_states(keeper.state.tensors, None)
        if notice := describe_needless(preparation, session, number):
            session.notice(notice)
            continue
        if TRAINING not in sys.modules:
            with keeping_random_state():  # as above
                load_module(TRAINING)
        from sightx_cli.train.stage_keeper import StageKeeper
        from sightx_cli.train.stage_runs import run_stage

        run_stage(session, preparation.recipe.stage[number], keeper.factor, StageKeeper(keeper, number))


def choose_rate_factor(preparation: Preparation, session: Session, listener: Listener, is_solved: bool) -> float:
    """Return what every rate of the recipe is multiplied by: 1, or what brings the first stage's head to `--rate`.

    `is_solved` says that the session's head is the linear probe's solution.
    """
    rate, first = preparation.options.rate, preparation.recipe.stage[0]
    if rate is None:
        return 1.0
    from sightx_cli.model.parameter_groups import build_stage_groups, stage_rates
    from sightx_cli.train.rate_finder import find_rates
    from sightx_cli.train.solved_head import scale_head

    recipe_rate = stage_rates(first, build_stage_groups(session.backbone, session.head, first))[-1]
    if rate == "auto":
        if not is_solved and not session.has_head:
            scale_head(session)
        found = find_rates(session, first, is_solved)
        rate = found.chosen
        said = f"learning rate of the first stage's head: {rate:.1e} (the recipe's is {recipe_rate:.1e})"
        listener.note(f"{said}, {found.why}")
    return float(rate) / recipe_rate

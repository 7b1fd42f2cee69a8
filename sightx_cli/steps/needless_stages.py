"""Which stages of a recipe a fit leaves out, as its head is at its least loss without them; and what that spares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.processes import Processes
from sightx_cli.progress import Notice
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.rates import HEAD
from sightx_cli.recipe.stage_titles import SOLVED
from sightx_cli.steps.preparation import Preparation

if TYPE_CHECKING:
    from sightx_cli.train.state import Session


def may_train(preparation: Preparation, processes: Processes) -> bool:
    """Tell whether a fit may run a stage, or the rate finder, as far as is known before its features are computed.

    Where it may not, fastai need not be loaded. A head that has hidden layers is not solved, nor one on a network of
    random weights; beside the head of an earlier run, the valid part decides whether it is the solved one.
    """
    model = preparation.recipe.model
    is_solved = not model.head.hidden and model.weights != "scratch" and preparation.earlier is None
    is_needless = all(is_needless_once_solved(preparation, stage) for stage in preparation.recipe.stage)
    return not (is_solved and is_needless and processes.is_alone)


def is_needless_once_solved(preparation: Preparation, stage: TrainingStage) -> bool:
    """Tell whether a stage would change nothing of a head that has just been solved, and was not asked for."""
    options = preparation.options
    return stage.train == HEAD and not stage.join and options.rate is None and not options.full


def describe_needless(preparation: Preparation, session: Session, number: int) -> Notice | None:
    """Say why a stage of the head alone is left out: it was solved, so its loss is the least there is; else None.

    In five folds of the training parts, epochs at the recipes' rates after the solution changed the log loss by less
    than 0.0002 (ants and bees, retina grades, X-rays, CIFAR-10) and by 0.0013 (solar cells, 0.872).
    """
    stage = preparation.recipe.stage[number]
    is_at_solution = session.is_solved and session.best.stage == SOLVED
    if not is_at_solution or not is_needless_once_solved(preparation, stage):
        return None
    epochs = f"{stage.epochs} epoch{'s' * (stage.epochs > 1)}"
    said = f"head: fitted directly, to its least loss; {epochs} of steps would change nothing (--full trains them)"
    return Notice("stage-skipped", said, stage.epochs)

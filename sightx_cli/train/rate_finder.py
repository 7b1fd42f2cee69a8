"""The learning-rate finder: fastai's, on one stage of a recipe, from a fresh head."""

from __future__ import annotations

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import SuggestionMethod

from sightx_cli.errors import TrainingError
from sightx_cli.machine import find_memory_shortage
from sightx_cli.model.parameter_groups import stage_rates
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.results.lr_find import FoundRates
from sightx_cli.train.callbacks import FiniteLoss, copy_weights
from sightx_cli.train.learners import building_learner
from sightx_cli.train.state import Session

STEPS = 100
LOWEST_RATE, HIGHEST_RATE = 1e-7, 10.0
"""fastai's own range for the last group; the others keep their proportion to it."""


class _Steps(Callback):
    """Reports the finder's steps."""

    order = 70

    def __init__(self, session: Session) -> None:
        self.listener = session.listener

    def after_batch(self) -> None:
        """Report one more step."""
        self.listener.advance("learning-rate finder", 1, {"loss": float(self.learn.smooth_loss)})


def find_rates(session: Session, stage: TrainingStage) -> FoundRates:
    """Run fastai's finder on a stage; the model's weights are restored afterwards.

    From a solved head the loss only rises and the valley means nothing, so the session's head must be fresh.
    Raises TrainingError when the curve is too short to read.
    """
    before, trained_from = copy_weights(session.model), session.trained_from
    session.listener.start("learning-rate finder", STEPS, "steps")
    with building_learner(session, stage) as (learner, groups):
        # The loss is meant to explode here: fastai ends the search by itself.
        learner.remove_cbs([callback for callback in learner.cbs if isinstance(callback, FiniteLoss)])
        rates = zip(groups, stage_rates(stage, groups), strict=True)
        shape = np.array([rate for group, rate in rates if not group.joins_after])  # joining groups come later
        shape = np.maximum(shape / shape[-1], 1e-9)  # frozen groups: the schedule divides by the start
        found = None
        try:
            with learner.no_bar(), learner.no_logging():
                learner.add_cb(_Steps(session))
                found = learner.lr_find(
                    start_lr=LOWEST_RATE * shape,
                    end_lr=HIGHEST_RATE * shape,
                    num_it=STEPS,
                    show_plot=False,
                    suggest_funcs=(SuggestionMethod.Valley, SuggestionMethod.Steep, SuggestionMethod.Minimum),
                )
        except (IndexError, ValueError, RuntimeError) as error:
            if find_memory_shortage(error):
                raise
            raise TrainingError(
                f"the loss curve is too short to read a rate from ({error})", "use the recipe's rate, or give --rate"
            ) from error
        finally:
            session.listener.finish("learning-rate finder")
        tried, losses = learner.recorder.lrs, learner.recorder.losses
    session.model.load_state_dict(before)
    session.trained_from = trained_from
    suggestions = {name: float(getattr(found, name)) for name in ("valley", "steep", "minimum")}
    return FoundRates(tuple(map(float, tried)), tuple(map(float, losses)), suggestions)

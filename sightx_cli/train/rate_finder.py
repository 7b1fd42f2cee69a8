"""The learning-rate finder: fastai's, on one stage of a recipe, from the head that a fit starts from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import minimum, steep, valley

from sightx_cli.errors import TrainingError
from sightx_cli.machine import find_memory_shortage
from sightx_cli.model.parameter_groups import stage_rates
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.rates import HEAD
from sightx_cli.results.lr_find import FoundRates
from sightx_cli.train.callbacks import FiniteLoss, copy_weights
from sightx_cli.train.learners import building_learner
from sightx_cli.train.state import Session

STEPS = 100
LOWEST_RATE, HIGHEST_RATE = 1e-7, 10.0
"""fastai's own range for the last group; the others keep their proportion to it."""
FALL_ERRORS, LEAST_FALL = 3.0, 0.02
"""A loss falls if it does so by this many times what it wavers by, and by this share of it: on retina photographs the
curve of a solved head's last stages wavers by 0.7 % and "falls" by 1.3 %, which is nothing."""
LEAST_POINTS = 5
"""Of the part of a curve that rates are read from."""


class _Steps(Callback):
    """Reports the finder's steps."""

    order = 70

    def __init__(self, session: Session) -> None:
        self.listener = session.listener

    def after_batch(self) -> None:
        """Report one more step."""
        self.listener.advance("learning-rate finder", 1, {"loss": float(self.learn.smooth_loss)})


def find_rates(session: Session, stage: TrainingStage, is_solved: bool = False) -> FoundRates:
    """Run fastai's finder on a stage from the session's weights, which are restored afterwards.

    `is_solved` says that the head is the linear probe's solution: it is where training of the head alone would end.
    Raises TrainingError when the curve is too short to read.
    """
    before, trained_from = copy_weights(session.model), session.trained_from
    session.listener.start("learning-rate finder", STEPS, "steps")
    with building_learner(session, stage) as (learner, groups):
        # The loss is meant to explode here: fastai ends the search by itself.
        learner.remove_cbs([callback for callback in learner.cbs if isinstance(callback, FiniteLoss)])
        rates = zip(groups, stage_rates(stage, groups), strict=True)
        shape = np.array([rate for group, rate in rates if not group.joins_after])  # joining groups come later
        recipe_rate = float(shape[-1])
        shape = np.maximum(shape / shape[-1], 1e-9)  # frozen groups: the schedule divides by the start
        try:
            with tempfile.TemporaryDirectory() as scratch, learner.no_bar(), learner.no_logging():
                learner.path = Path(scratch)  # fastai keeps the weights there, to put them back
                learner.add_cb(_Steps(session))
                learner.lr_find(
                    start_lr=LOWEST_RATE * shape,
                    end_lr=HIGHEST_RATE * shape,
                    num_it=STEPS,
                    show_plot=False,
                    suggest_funcs=None,
                )
        except (IndexError, ValueError, RuntimeError) as error:
            if find_memory_shortage(error):
                raise
            raise build_short(str(error)) from error
        finally:
            session.listener.finish("learning-rate finder")
        tried = tuple(map(float, learner.recorder.lrs))
        losses = tuple(map(float, learner.recorder.losses))
    session.model.load_state_dict(before)
    session.trained_from = trained_from
    return read_curve(tried, losses, recipe_rate, is_solved and stage.train == HEAD and not stage.join)


def read_curve(
    rates: Sequence[float], losses: Sequence[float], recipe_rate: float, is_settled: bool = False
) -> FoundRates:
    """Read rates off the curve of smoothed losses over rising rates, by fastai's rules; choose one.

    The first third, where rates are too low to change anything, tells how much the loss wavers: a fall counts if it is
    FALL_ERRORS times as deep. A lowest loss at the curve's end is no minimum. With `is_settled` the head that trains is
    solved already: what its loss still falls by is learned by heart, and the recipe's rate is kept.

    Raises TrainingError where the curve is too short.
    """
    curve = np.array([loss for loss in losses if np.isfinite(loss)], dtype=np.float64)
    flat, rest = curve[len(curve) // 10 : len(curve) // 3], curve[len(curve) // 3 :]
    if len(flat) < 3 or len(rest) < LEAST_POINTS:
        raise build_short(f"{len(curve)} points")
    level, wavers = float(np.median(flat)), float(flat.std())
    falls = level - rest.min() > max(FALL_ERRORS * wavers, LEAST_FALL * abs(level))
    suggestions: dict[str, float | None] = {"valley": None, "steep": None, "minimum": None}
    if falls:
        tried = torch.tensor(rates[len(curve) // 3 : len(curve)], dtype=torch.float64)
        values = torch.from_numpy(rest)
        lowest = int(rest.argmin())
        until = max(lowest + 1, 2)  # beyond the lowest point the loss explodes
        named = {"valley": valley, "steep": steep, "minimum": minimum}
        for name, read in named.items():
            if name != "minimum" or lowest < len(rest) - max(2, len(rest) // 20):
                suggestions[name] = float(read(tried[:until], values[:until], STEPS)[0])
    if not falls:
        chosen, why = recipe_rate, "at no rate does the loss fall by more than it wavers: the recipe's rate is kept"
    elif is_settled:
        chosen = recipe_rate
        why = "the head is solved already, what the loss still falls by is learned by heart: the recipe's rate is kept"
    else:
        chosen = suggestions["valley"] or recipe_rate
        why = "the valley: in the middle of the longest fall of the loss (fastai's rule)"
    return FoundRates(tuple(rates), tuple(losses), suggestions, recipe_rate, chosen, why)


def build_short(why: str) -> TrainingError:
    """Build the error of a curve that is too short to read."""
    return TrainingError(
        f"the loss curve is too short to read a rate from ({why})", "use the recipe's rate, or give --rate"
    )

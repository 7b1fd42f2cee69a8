"""Brings a learner to where an earlier process left it: weights, optimizer, random states, the epochs to pass over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from fastai.callback.core import Callback, CancelEpochException
from fastai.learner import Learner
from torch import Tensor, nn

from sightx_cli.train.judge import Judge
from sightx_cli.train.loaders import set_loader_state
from sightx_cli.train.random_states import set_random_states

MODEL, OPTIMIZER = "model.", "optimizer."
"""What the names of a point's tensors begin with, by what they belong to."""


class State:
    """A point's state as read: its tensors and facts."""

    def __init__(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        self.tensors, self.facts = tensors, facts

    def select(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin so, without that beginning."""
        return {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}


class Restoring(Callback):
    """Puts a stage's state back when its first epoch to train begins: weights, optimizer, random states."""

    order = 3  # before groups that join in this epoch do

    def __init__(self, state: State, judge: Judge, model: nn.Module) -> None:
        self.state, self.judge, self.whole = state, judge, model

    def before_epoch(self) -> None:
        """Restore, once."""
        if self.learn.epoch != self.judge.first:
            return
        facts = self.state.facts
        load_changed(self.whole, self.state.select(MODEL))
        tensors = self.state.select(OPTIMIZER)
        for number, parameter in enumerate(list_parameters(self.learn)):
            kept = self.learn.opt.state[parameter]
            kept.update(facts["optimizer"][number])
            for name, tensor in tensors.items():
                if name.partition(".")[0] == str(number):
                    kept[name.partition(".")[2]] = torch.empty_like(parameter).copy_(tensor)
        self.judge.stale, self.judge.awaits, self.judge.joined = facts["stale"], facts["awaits"], ""
        set_loader_state(self.dls.train, facts)
        set_random_states(self.state.tensors, self.dls)


class Skipping(Callback):
    """Passes over the epochs that an earlier process trained; groups that joined in them have joined by now."""

    order = 50  # after groups join, before the judge

    def __init__(self, first: int) -> None:
        self.first = first

    def before_epoch(self) -> None:
        """Pass over the epoch."""
        if self.learn.epoch < self.first:
            raise CancelEpochException


def load_changed(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load some of a model's weights; all others stay."""
    unknown = model.load_state_dict(dict(tensors), strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"the journal has weights that this network lacks: {unknown[:3]}")


def list_parameters(learner: Learner) -> list[nn.Parameter]:
    """List what a learner's optimizer has, in its order."""
    return [parameter for group in learner.opt.param_lists for parameter in group]

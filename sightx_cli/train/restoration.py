"""Brings a learner to where an earlier process left it: weights, optimizer, random states, the epochs to pass over."""

from __future__ import annotations

import torch
from fastai.callback.core import Callback, CancelEpochException
from torch import nn

from sightx_cli.train.judge import Judge
from sightx_cli.train.kept_state import MODEL, OPTIMIZER, State, list_parameters, load_changed
from sightx_cli.train.loaders import set_loader_state
from sightx_cli.train.random_states import set_random_states


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

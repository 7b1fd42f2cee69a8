"""A running average of the weights that train: what an epoch is judged by, and what is kept of it.

Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; Tarvainen & Valpola 2017
(arXiv:1703.01780) for networks. The steps of a few thousand images are noisy: the average of the last fifty is better
than any of them, and better already while the rates are high.
"""

from __future__ import annotations

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

AVERAGE, STEPS = "average", "averaged_steps"
"""What it adds to the optimizer's state of each parameter, so that the journal keeps it with the rest."""


class WeightAverage(Callback):
    """Averages what trains; the model has the average while it is judged, until `put_back`.

    At the start an average over few steps must not weigh the weights it began with for too long: after n steps it keeps
    at most (1 + n) / (10 + n) (as in TensorFlow's ExponentialMovingAverage).
    """

    order = 55  # before the judge

    def __init__(self, kept_share: float) -> None:
        self.kept_share = kept_share
        self._raw: list[tuple[nn.Parameter, Tensor]] = []

    @torch.no_grad()
    def after_step(self) -> None:
        """Take the step's weights into the average."""
        calls: dict[int, tuple[list[Tensor], list[Tensor]]] = {}
        for parameter, _, state, _ in self.learn.opt.all_params(with_grad=True):
            steps = state.get(STEPS, 0) + 1
            average = state.get(AVERAGE)
            if average is None:
                average = parameter.detach().clone()
            averages, weights = calls.setdefault(steps, ([], []))
            averages.append(average)
            weights.append(parameter.detach())
            self.learn.opt.state[parameter] = {**state, AVERAGE: average, STEPS: steps}
        for steps, (averages, weights) in calls.items():
            kept = min(self.kept_share, (1 + steps) / (10 + steps))
            torch._foreach_lerp_(averages, weights, 1 - kept)

    @torch.no_grad()
    def before_validate(self) -> None:
        """Give the model the averages."""
        self._raw = []
        for group in self.learn.opt.param_lists:
            for parameter in group:
                average = self.learn.opt.state[parameter].get(AVERAGE)
                if average is not None:
                    self._raw.append((parameter, parameter.detach().clone()))
                    parameter.copy_(average)

    @torch.no_grad()
    def put_back(self) -> None:
        """Give the model the weights that it goes on from."""
        for parameter, weights in self._raw:
            parameter.copy_(weights)
        self._raw = []

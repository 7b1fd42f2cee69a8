"""fastai's Adam with its step computed for all parameters at once: the same update in fewer passes."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import torch
from fastai.optimizer import Optimizer, adam_step, average_grad, average_sqr_grad, step_stat, weight_decay
from torch import Tensor


class FusedAdamW(Optimizer):
    """fastai's Adam with decoupled weight decay, whose state, hyperparameters and update it shares.

    Its step is torch's fused kernel (`torch._fused_adamw_`, that of `torch.optim.AdamW(fused=True)`), a call for each
    group in place of some thirty small ones for each parameter.
    """

    _step_supports_amp_scaling = True
    """So torch's `GradScaler` gives it `found_inf`, on the device, and does not wait to read it: the kernel leaves the
    weights alone where gradients are not finite."""
    found_inf: Tensor | None = None
    grad_scale: Tensor | None = None

    def __init__(self, params: Any, lr: float = 1e-3, wd: float = 0.01, eps: float = 1e-5) -> None:
        steps = [weight_decay, partial(average_grad, dampening=True), average_sqr_grad, step_stat, adam_step]
        super().__init__(params, steps, lr=lr, mom=0.9, sqr_mom=0.99, eps=eps, wd=wd)

    def zero_grad(self) -> None:
        """Drop the gradients: those of the next step are kept as they come, and not added to zeros."""
        for parameter, *_ in self.all_params(with_grad=True):
            parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        calls: dict[tuple[Any, ...], list[tuple[Tensor, dict[str, Any]]]] = defaultdict(list)
        for parameter, _, state, hyper in self.all_params(with_grad=True):
            decay = hyper["wd"] if state.get("do_wd", True) else 0.0
            state["step"] = state.get("step", 0) + 1
            for name in ("grad_avg", "sqr_avg"):
                if name not in state:
                    state[name] = torch.zeros_like(parameter)
            self.state[parameter] = state
            call = (hyper["lr"], hyper["mom"], hyper["sqr_mom"], decay, hyper["eps"], state["step"])
            calls[(*call, parameter.device)].append((parameter, state))
        for (rate, momentum, square_momentum, decay, epsilon, step, device), items in calls.items():
            parameters = [parameter.data for parameter, _ in items]
            torch._fused_adamw_(
                parameters,
                [_lay_out(parameter.grad, parameter) for parameter, _ in items],
                [state["grad_avg"] for _, state in items],
                [state["sqr_avg"] for _, state in items],
                [],
                [torch.full((), float(step), device=device)] * len(items),  # written there: no copy to wait for
                lr=rate,
                beta1=momentum,
                beta2=square_momentum,
                weight_decay=decay,
                eps=epsilon,
                amsgrad=False,
                maximize=False,
                grad_scale=self.grad_scale,
                found_inf=self.found_inf,
            )


def _lay_out(gradient: Any, parameter: Tensor) -> Tensor:
    """Return a gradient laid out in memory as its parameter is: the kernel walks both from end to end."""
    if gradient.stride() == parameter.stride():
        laid: Tensor = gradient
        return laid
    return torch.empty_like(parameter).copy_(gradient)

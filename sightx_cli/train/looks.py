"""How often the losses of steps are looked at (see `step_losses`). Imports no fastai."""

from __future__ import annotations

import torch

LOOK_EVERY_STEPS = 50
"""How many steps a GPU may be ahead: at a hundred steps a second a look costs a thousandth, and a loss that is not
finite, or Ctrl-C, is still heard of within a second."""


def choose_look(device: torch.device) -> int:
    """Return after how many steps losses are looked at: at once on the CPU, which has computed them by then."""
    return 1 if device.type == "cpu" else LOOK_EVERY_STEPS

"""The loss that a learner trains on."""

from __future__ import annotations

import torch

from sightx_cli.task.single_label import SingleLabel
from sightx_cli.train.learners import build_shifted_loss


def test_training_does_not_pull_at_the_offsets_of_a_head() -> None:
    loss = SingleLabel(("good", "defect")).build_loss(torch.tensor([0.5, 10.0]), 0.0)
    logits, targets, offsets = torch.randn(8, 2), torch.tensor([0] * 7 + [1]), torch.tensor([-1.5, 1.5])
    plain, shifted = logits.clone().requires_grad_(), (logits + offsets).requires_grad_()
    loss(plain, targets).backward()
    found = build_shifted_loss(loss, offsets)(shifted, targets)
    found.backward()
    torch.testing.assert_close(found, loss(plain, targets))
    torch.testing.assert_close(shifted.grad, plain.grad)

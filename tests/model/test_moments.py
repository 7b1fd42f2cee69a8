"""The pooled mean and deviation of a map, and their gradients."""

from __future__ import annotations

import torch

from sightx_cli.model.moments import LEAST_VARIANCE, pool_map


def test_the_gradient_of_the_moments_is_that_of_their_formula() -> None:
    maps = torch.randn(3, 5, 4, 6, dtype=torch.float64).requires_grad_()
    weights = torch.randn(3, 10, dtype=torch.float64)
    pooled = pool_map(maps, (2, 3))
    (mine,) = torch.autograd.grad((pooled * weights).sum(), maps)
    deviation = (maps.var((2, 3), unbiased=False) + LEAST_VARIANCE).sqrt()
    by_formula = torch.cat([maps.mean((2, 3)), deviation], 1)
    (theirs,) = torch.autograd.grad((by_formula * weights).sum(), maps)
    torch.testing.assert_close(pooled, by_formula)
    torch.testing.assert_close(mine, theirs)
    assert torch.equal(pooled.detach(), pool_map(maps.detach(), (2, 3)))


def test_a_map_in_half_precision_gets_a_gradient_in_it() -> None:
    maps = torch.rand(2, 3, 7, 7).to(torch.bfloat16).requires_grad_()
    pool_map(maps, (2, 3)).float().sum().backward()
    assert maps.grad is not None
    assert maps.grad.dtype == torch.bfloat16
    assert bool(maps.grad.isfinite().all())


def test_channels_may_come_last() -> None:
    maps = torch.randn(3, 5, 4, 6, dtype=torch.float64).requires_grad_()
    weights = torch.randn(3, 10, dtype=torch.float64)
    (first,) = torch.autograd.grad((pool_map(maps, (2, 3)) * weights).sum(), maps)
    last = maps.detach().permute(0, 2, 3, 1).requires_grad_()
    torch.testing.assert_close(pool_map(last, (1, 2)), pool_map(maps, (2, 3)))
    (turned,) = torch.autograd.grad((pool_map(last, (1, 2)) * weights).sum(), last)
    torch.testing.assert_close(turned.permute(0, 3, 1, 2), first)

"""The head: from features to logits, and a probe's solution put into it."""

from __future__ import annotations

import pytest
import torch

from sightx_cli.model.head import FeatureScale, build_head, set_linear_solution


def test_a_head_with_a_hidden_layer_has_the_parameters_of_its_linear_layers_alone() -> None:
    head = build_head(2048, 5, hidden=(512,), dropout=0.5)
    assert sum(parameter.numel() for parameter in head.parameters()) == 1_051_653
    assert head(torch.zeros(3, 2048)).shape == (3, 5)


def test_a_solution_gives_the_logits_that_the_probe_gives() -> None:
    head = build_head(7, 3, dropout=0.5).eval()
    weight, bias, mean = torch.randn(3, 7), torch.randn(3), torch.randn(7)
    deviation, features = torch.rand(7) + 0.5, torch.randn(4, 7)
    set_linear_solution(head, weight, bias, mean, deviation)
    torch.testing.assert_close(head(features), (features - mean) / deviation @ weight.T + bias)


def test_the_scale_travels_with_the_weights_and_never_trains() -> None:
    head = build_head(4, 2)
    set_linear_solution(head, torch.ones(2, 4), torch.zeros(2), torch.full((4,), 3.0), torch.full((4,), 2.0))
    assert not [name for name, _ in head[0].named_parameters()]
    fresh = build_head(4, 2)
    fresh.load_state_dict(head.state_dict())
    scale = fresh[0]
    assert isinstance(scale, FeatureScale)
    # one deviation above the mean in each of four features: a vector of length 1
    torch.testing.assert_close(scale(torch.full((1, 4), 5.0)), torch.full((1, 4), 0.5))
    torch.testing.assert_close(fresh(torch.full((1, 4), 5.0)), torch.full((1, 2), 4.0))


def test_a_head_with_hidden_layers_takes_no_linear_solution() -> None:
    with pytest.raises(ValueError, match="without hidden layers"):
        set_linear_solution(build_head(4, 2, (8,)), torch.ones(2, 4), torch.zeros(2), torch.zeros(4), torch.ones(4))

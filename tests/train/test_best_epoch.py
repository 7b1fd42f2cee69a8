"""Which epoch is the best, over all stages, and that its weights come back."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from sightx_cli.train.best_epoch import Best

NOTHING = np.zeros((0, 2), np.float32)


def make_model(value: float) -> nn.Module:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, value)
    return model


def make_figures(accuracy: float | None, loss: float) -> dict[str, float | None]:
    return {"accuracy": accuracy, "loss": loss}


@pytest.mark.parametrize(
    ("metric", "old", "new", "kept"),
    [
        ("accuracy", (0.8, 0.5), (0.9, 0.9), True),
        ("accuracy", (0.8, 0.5), (0.7, 0.1), False),
        ("accuracy", (0.8, 0.5), (0.8, 0.4), True),
        ("accuracy", (0.8, 0.5), (0.8, 0.5), False),
        ("loss", (0.8, 0.5), (0.1, 0.4), True),
        ("accuracy", (None, 0.5), (None, 0.4), True),
        ("accuracy", (None, 0.5), (None, 0.6), False),
        ("accuracy", (None, 0.5), (0.2, 0.9), True),
        ("accuracy", (0.2, 0.5), (None, 0.1), False),
    ],
)
def test_an_epoch_is_kept_if_its_metric_is_better_or_as_good_with_less_loss(
    metric: str, old: tuple[float | None, float], new: tuple[float | None, float], kept: bool
) -> None:
    best = Best(metric)
    assert best.offer(make_model(1.0), "head", 1, make_figures(*old), NOTHING)
    assert best.offer(make_model(2.0), "last:1", 7, make_figures(*new), NOTHING) is kept
    assert (best.stage, best.epoch) == (("last:1", 7) if kept else ("head", 1))


def test_the_best_weights_come_back_as_they_were() -> None:
    best, model = Best("accuracy"), make_model(1.0)
    best.offer(model, "head", 1, make_figures(0.9, 0.1), NOTHING)
    nn.init.constant_(model.weight, 5.0)
    best.restore(model)
    assert model.weight.item() == 1.0


def test_where_classes_are_very_unequal_a_tie_is_decided_by_the_loss_to_which_each_counts_the_same() -> None:
    best = Best("accuracy")
    figures = make_figures(1.0, 0.5)
    assert best.offer(make_model(1.0), "head", 0, figures, NOTHING, evened_loss=0.4)
    assert not best.offer(make_model(2.0), "head", 1, make_figures(1.0, 0.1), NOTHING, evened_loss=0.9)
    assert best.offer(make_model(3.0), "head", 2, make_figures(1.0, 0.7), NOTHING, evened_loss=0.3)

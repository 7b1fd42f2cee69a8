"""Images mixed in pairs: what is mixed, what the loss is of, and that validation sees images as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback

from sightx_cli.model.parameter_groups import stage_rates
from sightx_cli.train.learners import building_learner
from sightx_cli.train.mixed_images import MixedImages, paste_parts
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import fit_stage, run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
STAGE = 'stage=[{train="last:1",epochs=1,rate=1e-3}]'


class Watch(Callback):
    """Remembers each batch's inputs before and after they are mixed, and its loss beside that of its own labels."""

    order = 95  # after the mixing

    def __init__(self, mixing: MixedImages) -> None:
        self.mixing = mixing
        self.whole: list[bool] = []
        self.losses: list[tuple[float, float, float, float]] = []

    def before_batch(self) -> None:
        partners = self.mixing._partners
        if partners is None:
            self.whole.append(self.training)

    def after_loss(self) -> None:
        partners = self.mixing._partners
        if partners is not None:
            own, other = (self.learn.loss_func(self.pred, y).item() for y in (self.y, self.y[partners]))
            self.losses.append((self.learn.loss.item(), own, other, self.mixing._kept_share))


@pytest.mark.parametrize(("mixup", "cutmix"), [(1.0, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_the_loss_of_a_training_batch_is_that_of_both_labels_by_their_shares(
    open_session: Open, mixup: float, cutmix: float
) -> None:
    session = open_session(STAGE)[1]
    mixing = MixedImages(mixup, cutmix)
    watch = Watch(mixing)
    with building_learner(session, session.recipe.stage[0]) as (learner, groups):
        fit_stage(
            learner,
            session.recipe.stage[0],
            groups,
            stage_rates(session.recipe.stage[0], groups),
            "flat",
            0,
            [mixing, watch],
        )
    assert watch.losses
    for loss, own, other, share in watch.losses:
        assert loss == pytest.approx(share * own + (1 - share) * other, abs=1e-5)
        assert 0.0 <= share < 1.0
    assert watch.whole
    assert not any(watch.whole)  # validation alone sees whole images


def test_a_part_of_the_partner_stands_in_each_map_and_pooled_outputs_are_blended_by_its_share() -> None:
    np.random.seed(0)
    maps = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 2, 8, 8).contiguous(memory_format=torch.channels_last)
    pooled = torch.arange(4.0).view(4, 1)
    partners = torch.tensor([1, 2, 3, 0])
    (mixed, blended), share = paste_parts((maps, pooled), partners, 0.7)
    assert set(mixed[2].unique().tolist()) == {2.0, 3.0}
    assert (mixed[2, 0] == 2.0).float().mean().item() == pytest.approx(share)
    assert blended[:, 0].tolist() == pytest.approx(
        [share * n + (1 - share) * p for n, p in enumerate(partners.tolist())]
    )
    assert share == pytest.approx(0.7, abs=0.2)
    assert maps[2].unique().tolist() == [2.0]  # the store's own rows are as they were


@pytest.mark.parametrize(("setting", "mixes"), [("training.mixup=0.2", True), ("training.mixup=0", False)])
def test_the_recipe_says_whether_images_are_mixed_and_a_head_alone_never_mixes(
    open_session: Open, monkeypatch: pytest.MonkeyPatch, setting: str, mixes: bool
) -> None:
    used: list[bool] = []
    monkeypatch.setattr(MixedImages, "before_batch", lambda self: used.append(self.training))
    two = 'stage=[{train="head",epochs=1,rate=1e-4},{train="last:1",epochs=1,rate=1e-4}]'
    session = open_session(two, setting)[1]
    solve_head(session)
    run_stage(session, session.recipe.stage[0])
    assert used == []
    run_stage(session, session.recipe.stage[1])
    assert bool(used) == mixes

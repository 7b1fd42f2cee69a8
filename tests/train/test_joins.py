"""What joins within a stage: new groups in the optimizer, at their rates, on their own course, and said aloud."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from torch import nn

from sightx_cli.errors import ModelError, RecipeError
from sightx_cli.model.parameter_groups import stage_rates
from sightx_cli.progress import Recorder
from sightx_cli.train.callbacks import FrozenStaysFrozen
from sightx_cli.train.joins import add_param_group
from sightx_cli.train.learners import building_learner
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import fit_stage, run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
JOIN = '{train="head",epochs=4,rate=1e-3,join=[{after=1,train="last:1",rate=1e-4},{after=2,train="last:2",rate=1e-5}]}'


class Watch(Callback):
    """Remembers, at each step, the rates of the optimizer's groups, what they hold, and which modules train."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []
        self.held: list[list[set[int]]] = []
        self.training: list[bool] = []
        self.momenta: list[list[float]] = []

    def before_step(self) -> None:
        self.rates.append([float(hyper["lr"]) for hyper in self.learn.opt.hypers])
        self.momenta.append([float(hyper["mom"]) for hyper in self.learn.opt.hypers])
        self.held.append([{id(p) for p in group} for group in self.learn.opt.param_lists])
        modules = next(one for one in self.learn.cbs if isinstance(one, FrozenStaysFrozen)).backbone.network
        self.training.append(modules.get_submodule("layer4").training)


def watch_stage(open_session: Open, *settings: str, schedule: str = "flat", **how: Any) -> tuple[Watch, Any, Session]:
    """Train the joining stage for four epochs of four batches; gives what was seen, and the groups."""
    preparation, session = open_session(f"stage=[{JOIN}]", "training.batch=16", *settings, **how)
    (stage,) = preparation.recipe.stage
    watch = Watch()
    with building_learner(session, stage) as (learner, groups):
        fit_stage(learner, stage, groups, stage_rates(stage, groups), schedule, 0, [watch])
    assert len(watch.rates) == 16
    return watch, groups, session


@pytest.mark.parametrize("cache", [True, False], ids=["cached", "no cache"])
def test_each_part_joins_the_optimizer_after_its_epochs_as_a_group_of_its_own(open_session: Open, cache: bool) -> None:
    watch, groups, session = watch_stage(open_session, cache=cache)
    joining = {group.name: {id(p) for p in group.parameters} for group in groups if group.joins_after}
    head = {id(p) for p in session.head.parameters()}
    assert list(joining) == ["layer4 (joins after 1)", "layer3 (joins after 2)"]
    by_epoch = [watch.held[step] for step in (3, 4, 8, 12)]
    start = len(by_epoch[0])  # without a cache the frozen stages have groups too, which never move
    assert by_epoch[0][-1] == head
    assert by_epoch[1][start:] == [joining["layer4 (joins after 1)"]]
    assert by_epoch[2][start:] == by_epoch[3][start:] == list(joining.values())
    assert [rates[start - 1 :] for rates in (watch.rates[3], watch.rates[4], watch.rates[8])] == [
        [1e-3],
        [1e-3, 1e-4],
        [1e-3, 1e-4, 1e-5],
    ]


def test_what_joins_moves_from_then_on_and_not_before(open_session: Open) -> None:
    preparation, session = open_session(f"stage=[{JOIN}]")
    (stage,) = preparation.recipe.stage
    weights = {name: session.backbone.network.get_parameter(f"{name}.0.conv1.weight") for name in ("layer3", "layer4")}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    moved: list[list[str]] = []

    class Look(Callback):
        def after_epoch(self) -> None:
            moved.append([name for name, weight in weights.items() if not torch.equal(weight, before[name])])

    with building_learner(session, stage) as (learner, groups):
        fit_stage(learner, stage, groups, stage_rates(stage, groups), "flat", 0, [Look()])
    assert moved == [[], ["layer4"], ["layer3", "layer4"], ["layer3", "layer4"]]


def test_the_frozen_prefix_is_cut_before_the_earliest_part_that_will_join(open_session: Open) -> None:
    preparation, session = open_session(f"stage=[{JOIN}]")
    assert session.kept is not None
    assert session.kept.cuts == (3, 5)  # before layer3, of stem, layer1 … layer4
    with building_learner(session, preparation.recipe.stage[0]) as (learner, _):
        assert learner.model.suffix.cut == 3


def test_modes_follow_what_joins(open_session: Open) -> None:
    watch, _, _ = watch_stage(open_session)
    assert watch.training == [False] * 4 + [True] * 12


def test_a_part_that_joins_runs_through_the_schedule_in_the_epochs_that_are_left(open_session: Open) -> None:
    watch, _, _ = watch_stage(open_session, schedule="cosine")
    head, layer4, layer3 = ([rates[place] for rates in watch.rates if len(rates) > place] for place in range(3))
    assert (len(head), len(layer4), len(layer3)) == (16, 12, 8)
    for rates, peak in ((head, 1e-3), (layer4, 1e-4), (layer3, 1e-5)):
        assert rates[0] == pytest.approx(peak)
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 0.05 * peak
    assert layer3[4] == pytest.approx(0.5e-5)


def test_under_one_cycle_each_part_peaks_at_its_own_rate_with_its_own_momentum(open_session: Open) -> None:
    watch, _, _ = watch_stage(open_session, schedule="one-cycle")
    for place, (peak, steps) in enumerate(((1e-3, 16), (1e-4, 12), (1e-5, 8))):
        rates = [step[place] for step in watch.rates if len(step) > place]
        momenta = [step[place] for step in watch.momenta if len(step) > place]
        top = int(np.argmax(rates))
        assert len(rates) == steps
        assert rates[top] == pytest.approx(peak, rel=0.02)
        assert rates[0] < peak / 20
        assert 0 < top < steps / 2
        assert momenta[top] == min(momenta)
        assert momenta[0] == pytest.approx(0.95)


def test_the_history_and_the_listener_say_what_joined_and_the_accuracy_before_and_after(open_session: Open) -> None:
    heard = Recorder()
    preparation, session = open_session(f"stage=[{JOIN}]", listener=heard)
    solve_head(session)
    run_stage(session, preparation.recipe.stage[0])
    rows = session.history[1:]  # the solved head is the first
    assert [row.get("joined") for row in rows] == [None, "layer4 at 1.0e-04", "layer3 at 1.0e-05", None]
    said = [note for note in heard.notes if note.startswith("joined: ")]
    assert said == [
        f"joined: {rows[place]['joined']}; accuracy {rows[place - 1]['accuracy']:.3f} before, "
        f"{rows[place]['accuracy']:.3f} after one epoch of it"
        for place in (1, 2)
    ]


def test_a_stage_does_not_end_for_want_of_gain_before_all_has_joined(open_session: Open) -> None:
    stage = JOIN.replace("1e-3", "5.0").replace("epochs=4", "epochs=9")  # too high: nothing is gained
    preparation, session = open_session(f"stage=[{stage}]", 'training.metric="loss"', "training.early_stop=1")
    solve_head(session)
    run_stage(session, preparation.recipe.stage[0])
    rows = session.history[1:]
    assert len(rows) == 3
    assert "layer3" in str(rows[2]["joined"])


def test_two_blocks_join_after_the_first_epoch_as_the_progressive_recipe_has_it(open_session: Open) -> None:
    """On a small cousin of its network: the last two blocks, here one inverted residual and the closing convolution."""
    text = '{train="head",epochs=2,rate=1e-3,join=[{after=1,train="last-blocks:2",rate=1e-4}]}'
    preparation, session = open_session(f"stage=[{text}]", backbone="test_efficientnet")
    with building_learner(session, preparation.recipe.stage[0]) as (learner, groups):
        before = len(learner.opt.param_lists)
        rates = stage_rates(preparation.recipe.stage[0], groups)
        fit_stage(learner, preparation.recipe.stage[0], groups, rates, "flat", 0, [])
        joined = [group for group in groups if group.joins_after]
        assert len(learner.opt.param_lists) == before + len(joined)
        assert [hyper["lr"] for hyper in learner.opt.hypers][-len(joined) :] == [1e-4] * len(joined)


def test_biases_and_norms_that_join_do_not_decay(open_session: Open) -> None:
    preparation, session = open_session(f"stage=[{JOIN}]")
    with building_learner(session, preparation.recipe.stage[0]) as (learner, groups):
        for group in (group for group in groups if group.joins_after):
            add_param_group(learner.opt, group.parameters, 1e-4)
            kept = [learner.opt.state[p].get("do_wd", True) for p in group.parameters]
            assert kept == [p.dim() > 1 for p in group.parameters]


def test_what_is_in_the_optimizer_already_cannot_join_it(open_session: Open) -> None:
    preparation, session = open_session(f"stage=[{JOIN}]")
    with (
        building_learner(session, preparation.recipe.stage[0]) as (learner, _),
        pytest.raises(ValueError, match="already"),
    ):
        add_param_group(learner.opt, session.head.parameters(), 1e-4)


def join_refused(open_session: Open, train: str, rate: str) -> str:
    stage = f'{{train="last:1",epochs=2,rate=1e-3,join=[{{after=1,train="{train}",rate={rate}}}]}}'
    with pytest.raises((ModelError, RecipeError)) as caught:
        open_session(f"stage=[{stage}]")
    return caught.value.message


def test_a_join_that_the_network_cannot_follow_is_refused_before_anything_is_computed(open_session: Open) -> None:
    assert "the network has 5 stages (stem, layer1" in join_refused(open_session, "last:9", "1e-4")
    assert 'found group "layer9"; allowed: "layer3"' in join_refused(
        open_session, "last:2", "{layer9=1e-4,layer3=1e-4}"
    )
    assert "all of that trains already" in join_refused(open_session, "last:1", "1e-4")


# --- rates by shares of the layers, and training from scratch ---


def open_groups(open_session: Open, stage: str) -> tuple[Session, Sequence[Any], list[float], list[set[int]]]:
    """The session, the learner's groups, its optimizer's rates after a fit, and what each of its groups holds."""
    preparation, session = open_session(f"stage=[{stage}]")
    with building_learner(session, preparation.recipe.stage[0]) as (learner, groups):
        rates = stage_rates(preparation.recipe.stage[0], groups)
        fit_stage(learner, preparation.recipe.stage[0], groups, rates, "flat", 0, [])
        return (
            session,
            groups,
            [hyper["lr"] for hyper in learner.opt.hypers],
            [{id(p) for p in part} for part in learner.opt.param_lists],
        )


def test_the_optimizer_has_a_group_for_each_share_of_the_layers_at_its_rate(open_session: Open) -> None:
    stage = '{train="all",epochs=1,rate={"0-25%"=1e-6,"25-75%"=1e-5,"75-100%"=1e-4,head=1e-4}}'
    session, groups, rates, held = open_groups(open_session, stage)
    assert [group.name for group in groups] == ["0-25%", "25-75%", "75-100%", "head"]
    assert rates == [1e-6, 1e-5, 1e-4, 1e-4]
    assert held == [{id(p) for p in group.parameters} for group in groups]
    network = session.backbone.network
    layers = [module for _, module in network.named_modules() if list(module.parameters(recurse=False))]
    quarter = len(layers) // 4
    first = {id(p) for layer in layers[:quarter] for p in layer.parameters(recurse=False)}
    assert held[0] == first
    assert set().union(*held[:3]) == {id(p) for p in network.parameters()}


def test_shares_of_a_part_that_trains_leave_the_rest_frozen(open_session: Open) -> None:
    stage = '{train="last:50%",epochs=1,rate={"50-75%"=1e-5,"75-100%"=1e-4,head=1e-3}}'
    _, groups, rates, _ = open_groups(open_session, stage)
    assert [group.name for group in groups if group.trained] == ["50-75%", "75-100%", "head"]
    assert [rate for rate in rates if rate] == [1e-5, 1e-4, 1e-3]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ('{"75-100%"=1e-4,head=1e-3}', "trains and is in none of 75-100%"),
        ('{"0-25%"=1e-6,"50-100%"=1e-4,head=1e-3}', 'found group "0-25%"; allowed: "50-100%" or "head"'),
        ('{"50-100%"=1e-4}', 'a rate for "head" too'),
    ],
)
def test_shares_that_do_not_fit_what_trains_are_refused(open_session: Open, rate: str, said: str) -> None:
    with pytest.raises((ModelError, RecipeError)) as caught:
        open_session(f'stage=[{{train="last:50%",epochs=1,rate={rate}}}]')
    assert said in caught.value.message


def test_from_scratch_all_trains_from_random_weights_norms_too_and_no_head_is_solved(open_session: Open) -> None:
    stage = '{train="scratch",epochs=1,rate=1e-3}'
    preparation, session = open_session(f"stage=[{stage}]", "model.weights=scratch", weights=None)
    assert session.weights.origin.startswith("random")
    assert solve_head(session) is None
    assert session.norms_train()
    norm = next(module for module in session.backbone.network.modules() if isinstance(module, nn.BatchNorm2d))
    before = {name: tensor.clone() for name, tensor in session.model.state_dict().items()}
    moved = norm.running_mean.clone()  # type: ignore[union-attr]
    with building_learner(session, preparation.recipe.stage[0]) as (learner, groups):
        assert all(group.trained for group in groups)
        fit_stage(
            learner,
            preparation.recipe.stage[0],
            groups,
            stage_rates(preparation.recipe.stage[0], groups),
            "flat",
            0,
            [],
        )
    assert not torch.equal(moved, norm.running_mean)  # type: ignore[arg-type]
    same = [name for name, tensor in session.model.named_parameters() if torch.equal(tensor, before[name])]
    assert same == []

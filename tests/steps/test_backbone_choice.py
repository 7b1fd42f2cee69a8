"""What is said of a choice among networks: the figures, against which others, and how many were tried."""

from __future__ import annotations

from sightx_cli.probe.tournament import Round, Tournament
from sightx_cli.results.probe import Trial
from sightx_cli.steps.backbone_choice import describe_winner


def make_trials(metric: str = "accuracy", chosen: str = "", **means: float) -> tuple[Trial, ...]:
    return tuple(
        Trial("model.backbone", name, metric, mean, 0.01, 1.0, chosen=name == chosen) for name, mean in means.items()
    )


def test_the_recipes_own_and_the_best_of_the_others_are_named() -> None:
    trials = make_trials(chosen="e", a=0.5, b=0.6, c=0.7, d=0.8, e=0.9)
    said = describe_winner(Tournament("a", (Round(200, trials, ()),), (), 1.0))
    assert said == (
        "backbone e: accuracy 0.90 ± 0.01 against 0.50 ± 0.01 with a, 0.80 ± 0.01 with d, 0.70 ± 0.01 with c "
        "and 1 more (5 tried on 200 images)"
    )


def test_of_a_loss_the_best_are_the_lowest() -> None:
    trials = make_trials("loss", "a", a=0.1, b=0.6, c=0.7, d=0.3, e=0.2)
    assert "with b, 0.20 ± 0.01 with e, 0.30 ± 0.01 with d" in describe_winner(
        Tournament("b", (Round(200, trials, ()),), (), 1.0)
    )


def test_where_nothing_compares_that_is_said() -> None:
    rounds = (Round(1_000, make_trials(a=0.5), ()),)
    assert describe_winner(Tournament("a", rounds, (), 1.0)) == (
        "backbone a: nothing else was measured (1 tried on 1,000 images)"
    )


def test_the_last_round_that_compares_any_is_the_one_named() -> None:
    rounds = (Round(200, make_trials(chosen="b", a=0.5, b=0.9), ("a", "b")), Round(1_000, make_trials(a=0.6), ()))
    said = describe_winner(Tournament("a", rounds, (), 1.0))
    assert said.startswith("backbone b: accuracy 0.90 ± 0.01 against 0.50 ± 0.01 with a")
    assert said.endswith("(2 tried on 200 images, 1 tried on 1,000 images)")

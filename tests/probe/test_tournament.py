"""Successive halving: few images decide who goes on, the largest sample who wins, and the budget who is tried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sightx_cli.probe.tournament import Attempt, Tournament, halve, plan_rounds
from sightx_cli.results.probe import Trial

VALUES = ("a", "b", "c", "d", "e")


class Bench:
    """Values of known quality, measured on samples of the same images: what was asked of it stands in `asked`."""

    def __init__(self, seconds: float = 0.0, **accuracy: float) -> None:
        self.accuracy, self.seconds, self.asked = accuracy, seconds, list[tuple[str, int]]()

    def measure(self, value: str, images: int) -> Attempt | None:
        """Give a trial with an error of 0.01, and noisy losses that fall as the accuracy rises."""
        self.asked.append((value, images))
        if value not in self.accuracy:
            return None
        noise = np.random.default_rng(ord(value)).normal(0, 0.3, images)
        trial = Trial("model.backbone", value, "accuracy", self.accuracy[value], 0.01, self.seconds)
        return Attempt(trial, 1 - self.accuracy[value] + noise, [""] * images)

    def halve(self, own: str, budget_seconds: float = 1e9, rounds: tuple[int, ...] = (200, 1_000)) -> Tournament:
        """Halve VALUES; an image is assumed to take 0.01 s."""
        return halve(VALUES, own, rounds, self.measure, lambda _, all_, seen: 0.01 * (all_ - seen), budget_seconds)


def list_measured(bench: Bench, images: int) -> list[str]:
    return [value for value, count in bench.asked if count == images]


def test_all_are_tried_on_few_images_and_the_better_half_on_all() -> None:
    bench = Bench(a=0.7, b=0.5, c=0.9, d=0.8, e=0.6)
    done = bench.halve("a")
    assert sorted(list_measured(bench, 200)) == list(VALUES)
    assert sorted(list_measured(bench, 1_000)) == ["a", "c", "d"]
    assert done.rounds[0].kept == ("a", "c", "d")
    assert done.winner == "c"


def test_the_recipes_own_is_measured_on_all_images_even_if_it_looked_worst_on_few() -> None:
    bench = Bench(a=0.1, b=0.5, c=0.9, d=0.8, e=0.6)
    assert bench.halve("a").winner == "c"
    assert list_measured(bench, 1_000)[0] == "a"


def test_a_cheaper_value_that_is_no_worse_replaces_the_recipes_own() -> None:
    assert Bench(a=0.85, b=0.5, c=0.80, d=0.5, e=0.5).halve("c").winner == "a"


def test_a_gain_within_one_error_is_not_worth_a_larger_network() -> None:
    even = Bench(a=0.800, b=0.7, c=0.805, d=0.7, e=0.7)
    assert even.halve("a").winner == "a"


def test_what_the_budget_does_not_allow_is_named_with_its_seconds() -> None:
    bench = Bench(a=0.7, b=0.5, c=0.9, d=0.8, e=0.6)
    done = bench.halve("a", budget_seconds=26.5)  # the small round takes 10 s, each further value 8
    assert list_measured(bench, 1_000) == ["a", "c"]
    assert done.untried == ("d on 1,000 images: would take 8 s, 0 s are left",)
    assert done.spent_seconds == pytest.approx(26.0)
    assert done.winner == "c"


def test_a_budget_for_few_images_alone_decides_by_those() -> None:
    bench = Bench(a=0.7, b=0.5, c=0.9, d=0.8, e=0.6)
    done = bench.halve("a", budget_seconds=20)  # the own takes 8 s of the second round
    assert list_measured(bench, 1_000) == ["a"]
    assert [trial.value for trial in done.decisive] == list(VALUES)
    assert done.winner == "c"


def test_a_round_leaves_the_next_ones_their_share_of_the_time() -> None:
    bench = Bench(a=0.9, b=0.5, c=0.6, d=0.8, e=0.7)
    done = bench.halve("a", budget_seconds=16)
    assert list_measured(bench, 200) == ["a", "b", "c", "d"]
    assert done.untried[0] == "e: would take 2 s, 0 s are left"


def test_without_time_for_anything_the_recipes_own_stays() -> None:
    bench = Bench(a=0.7, b=0.5, c=0.9, d=0.8, e=0.6)
    done = bench.halve("b", budget_seconds=0)
    assert {value for value, _ in bench.asked} == {"b"}
    assert (done.winner, done.decisive) == ("b", ())


def test_a_faster_machine_makes_the_same_trials() -> None:
    slow, fast = (Bench(seconds, a=0.7, b=0.5, c=0.9, d=0.8, e=0.6) for seconds in (1.9, 0.001))
    assert slow.halve("a", 27).rounds[1].kept == fast.halve("a", 27).rounds[1].kept
    assert slow.asked == fast.asked


def test_a_slower_machine_is_charged_what_it_took() -> None:
    assert Bench(5.0, a=0.7, b=0.5, c=0.9, d=0.8, e=0.6).halve("a", 24).untried


def test_three_values_start_on_all_images() -> None:
    bench = Bench(a=0.7, b=0.8, c=0.9)
    done = halve(("a", "b", "c"), "a", (200, 1_000), bench.measure, lambda *_: 0.0, 60)
    assert {images for _, images in bench.asked} == {1_000}
    assert done.winner == "c"


def test_a_value_without_a_figure_drops_out() -> None:
    done = Bench(a=0.7, c=0.9, d=0.8).halve("a")
    assert [trial.value for trial in done.rounds[0].trials] == ["a", "c", "d"]
    assert done.winner == "c"


def test_of_a_loss_the_lowest_wins() -> None:
    bench = Bench(a=0.7, b=0.5, c=0.9, d=0.8, e=0.6)

    def measure(value: str, images: int) -> Attempt | None:
        attempt = bench.measure(value, images)
        assert attempt is not None
        return replace(attempt, trial=replace(attempt.trial, metric="loss", mean=1 - attempt.trial.mean))

    assert halve(VALUES, "a", (200, 1_000), measure, lambda *_: 0.0, 60).winner == "c"


@pytest.mark.parametrize(("images", "rounds"), [(1_000, (200, 1_000)), (300, (200, 300)), (299, (299,))])
def test_few_images_are_looked_at_in_one_round(images: int, rounds: tuple[int, ...]) -> None:
    assert plan_rounds(images) == rounds

"""The estimate of a fit's time: more for more work and on a slower machine, in words no finer than what is known."""

from __future__ import annotations

import pytest

from sightx_cli.probe.trials import PACKAGED_WORK
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.settings import BACKBONE, SIZE, change_setting
from sightx_cli.steps import duration
from sightx_cli.steps.duration import (
    MACS,
    ON_CPU,
    ON_GPU,
    choose_fit_device,
    count_macs,
    describe_duration,
    estimate_seconds,
    measure_speed,
)

SMALL, _ = find_recipe("natural-small")
MEDIUM, _ = find_recipe("medical-medium")


def estimate(recipe=SMALL, train=1_000, valid=200, probed=False, work=1.0, slower=1.0) -> float:  # type: ignore[no-untyped-def]
    return estimate_seconds(recipe, {"train": train, "valid": valid}, probed, ON_CPU, work, slower)


def test_more_images_a_probe_a_larger_network_and_tuned_stages_each_take_longer() -> None:
    least = estimate()
    assert ON_CPU.start_seconds < least
    for more in (estimate(train=2_000), estimate(valid=900), estimate(probed=True), estimate(work=2.0)):
        assert more > least
    assert estimate(MEDIUM) > estimate(SMALL)


def test_a_machine_half_as_fast_takes_twice_as_long() -> None:
    assert estimate(slower=2.0) == pytest.approx(2 * estimate())


def test_the_work_of_the_packaged_networks_needs_no_network_and_is_what_counting_gives() -> None:
    at_224 = change_setting(SMALL, SIZE, 224)
    for name in PACKAGED_WORK:
        said = count_macs(change_setting(at_224, BACKBONE, name))
        counted = count_macs(change_setting(at_224, BACKBONE, f"{name}.in1k"))  # a name that it has to build
        assert said == pytest.approx(counted, rel=0.05)
        assert count_macs(change_setting(change_setting(SMALL, SIZE, 448), BACKBONE, name)) == 4 * said
    assert count_macs(change_setting(at_224, BACKBONE, "tf_efficientnet_lite0")) == MACS


def test_the_speed_is_that_of_a_computer() -> None:
    assert 0.1 < measure_speed() < 1e6


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "5 s"), (12.6, "15 s"), (49.9, "50 s"), (50.1, "1 min"), (400.0, "7 min"), (7_200.0, "2.0 h")],
)
def test_the_words_are_as_rough_as_the_estimate(seconds: float, words: str) -> None:
    assert f"about {words} on this machine" in describe_duration(seconds).text


def test_many_processors_compute_faster_and_neither_start_sooner_nor_read_without_end() -> None:
    assert ON_CPU.start_seconds < estimate(MEDIUM, slower=0.01) < estimate(MEDIUM, slower=0.1)
    assert estimate(train=10**6, slower=0.001) > 10**6 / ON_CPU.most_read
    on_gpu = {slower: estimate_seconds(MEDIUM, {"train": 1_000}, False, ON_GPU, 1.0, slower) for slower in (0.01, 1, 3)}
    assert on_gpu[0.01] == on_gpu[1]
    assert on_gpu[1] < on_gpu[3] < 3 * on_gpu[1]  # what the GPU computes takes as long


@pytest.mark.parametrize("gflops", [50.0, 254.0, 1_600.0, 6_400.0])
@pytest.mark.parametrize(
    ("images", "device", "found", "chosen"),
    [
        (200, "auto", "cuda", "cpu"),
        (10**6, "auto", "cuda", "auto"),
        (200, "cuda", "cuda", "cuda"),
        (200, "auto", "cpu", "auto"),
        (200, "auto", "mps", "auto"),
    ],
)
def test_few_images_do_not_wait_for_a_gpu_to_start(
    images: int, device: str, found: str, chosen: str, gflops: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duration, "measure_speed", lambda: gflops)
    settled, said = choose_fit_device(SMALL, {"train": images, "valid": images // 4}, False, device, found)
    assert settled == chosen
    assert (said is not None and "--device cuda uses the GPU" in said.text) == (chosen == "cpu")

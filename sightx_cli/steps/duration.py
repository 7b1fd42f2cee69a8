"""How long a fit will take on this machine: rates measured on another, scaled by the speed of this one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sightx_cli.machine import measure_threads
from sightx_cli.probe.trials import PACKAGED_WORK
from sightx_cli.progress import Notice
from sightx_cli.recipe.recipe import Recipe

SIDE_PX = 384
"""Side of the matrices that are multiplied to measure the speed: some milliseconds a product."""
PRODUCTS = 12


@dataclass(frozen=True)
class Rates:
    """What a kind of machine does: images a second of tf_efficientnet_lite0 at 224 px, and seconds for the rest."""

    gflops: float | None
    """What `measure_speed` gives there; None where the processor's speed says little."""
    start_seconds: float
    """Imports, compiling the frozen network, its precision, and writing and checking the bundle."""
    probe_seconds: float
    """What a probe takes beside the views that the fit reads afterwards."""
    forward: float
    """Images that are read and pass through the frozen network."""
    head: float
    """Images of an epoch that trains the head alone, on cached features."""
    last: float
    """Images of an epoch that trains the last stages, on cached features."""
    every: float
    """Images of an epoch that trains every layer."""
    stage_seconds: float = 0.0
    """What a stage that trains layers takes before its first step."""
    most_read: float = 750.0
    """Images that are read at the most, however many processors there are: threads share one interpreter."""


ON_CPU = Rates(254.0, 4.0, 4.0, 300.0, 5_000.0, 120.0, 20.0)
"""AMD EPYC (Zen 5), two cores."""
ON_GPU = Rates(None, 12.0, 4.0, 6_000.0, 5_000.0, 15_000.0, 6_300.0, 18.0, most_read=10_000.0)
"""NVIDIA H200, 16 cores of an Intel Xeon: 45,000 images of 32 px, by natural-large and natural-medium. Its fits start
CUDA, and cuDNN plans what is computed; before a stage trains layers, forward and backward of a step."""
MACS = 384_000_000
"""The multiply-adds of tf_efficientnet_lite0 at 224 px."""


def measure_speed() -> float:
    """Measure how fast this machine multiplies float32 matrices, in GFLOP/s: one thread's best, times the threads.

    The best, for what else the machine does now may have ended soon; one thread, for threads that wait for each other
    beside other work tell nothing of it.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows = np.random.default_rng(0).random((SIDE_PX, SIDE_PX), dtype=np.float32)
    seconds = []
    with threadpool_limits(1, user_api="blas"):
        for _ in range(PRODUCTS):
            began = time.perf_counter()
            rows @ rows
            seconds.append(time.perf_counter() - began)
    return 2 * SIDE_PX**3 / min(seconds) / 1e9 * measure_threads().inference


def measure_slowness() -> float:
    """Measure how many times slower this machine's processors are than those of the CPU's rates."""
    assert ON_CPU.gflops is not None
    return ON_CPU.gflops / measure_speed()


def estimate_duration(recipe: Recipe, images: Mapping[str, int], is_probed: bool, device: str = "auto") -> Notice:
    """Say about how long a fit takes from here on; `images` counts those of train, valid and test."""
    from sightx_cli.engine.choice import choose_device

    rates = ON_CPU if choose_device(device).split(":")[0] == "cpu" else ON_GPU
    slower = measure_slowness()
    return describe_duration(estimate_seconds(recipe, images, is_probed, rates, count_macs(recipe) / MACS, slower))


def choose_fit_device(
    recipe: Recipe, images: Mapping[str, int], is_probed: bool, device: str, found: str | None = None
) -> tuple[str, Notice | None]:
    """Return the device of a fit, and what is said where it is not the GPU that is here: few images are done before it
    has started. `found` is what `auto` stands for (None: what torch finds)."""
    from sightx_cli.engine.choice import choose_device

    if device != "auto" or (found or choose_device()) != "cuda":
        return device, None
    slower, work = measure_slowness(), count_macs(recipe) / MACS
    seconds = estimate_seconds(recipe, images, is_probed, ON_CPU, work, slower)
    on_gpu = estimate_seconds(recipe, images, is_probed, ON_GPU, work, slower)
    if seconds >= on_gpu:
        return device, None
    said = (
        f"the CPU computes: it takes about {seconds:.0f} s for so few images, and the GPU {on_gpu:.0f}, most of them "
        "to start. --device cuda uses the GPU"
    )
    return "cpu", Notice("device", said)


def count_macs(recipe: Recipe) -> float:
    """Count the multiply-adds of the recipe's network for one image of its size."""
    if recipe.model.backbone in PACKAGED_WORK:  # torch need not build it to count them
        return MACS * PACKAGED_WORK[recipe.model.backbone] * (recipe.image.size_px / 224) ** 2
    from sightx_cli.model.classifier import build_untrained
    from sightx_cli.model.cost import measure_cost

    return measure_cost(build_untrained(recipe, 2, shapes_only=True), recipe.image.size_px).macs


def estimate_seconds(
    recipe: Recipe, images: Mapping[str, int], is_probed: bool, rates: Rates, work: float, slower: float
) -> float:
    """Estimate the seconds of a fit.

    Args:
        recipe: its views, stages and epochs.
        images: how many there are in train, valid and test.
        is_probed: whether the recipe's choices are measured first.
        rates: of a machine.
        work: the network's multiply-adds for an image, as multiples of those that the rates were measured with.
        slower: how many times slower this machine's processors are than those of the CPU's rates. A slower one takes
            longer for everything but what a GPU computes; one with many processors starts no sooner, and solves its
            head in no less time (45,000 images: 10 s on two cores, and on sixteen).
    """
    train = images.get("train", 0)
    seen = train * recipe.training.views + images.get("valid", 0) + images.get("test", 0)
    alone, computing = max(slower, 1.0), slower if rates.gflops is not None else 1.0
    seconds = alone * rates.start_seconds + computing * rates.probe_seconds * is_probed
    seconds += max(computing * seen * work / rates.forward, alone * seen / rates.most_read)
    for stage in recipe.stage:
        if stage.train == "head":
            seconds += alone * train * stage.epochs / rates.head
        else:
            rate = rates.every if stage.train in ("all", "scratch") else rates.last
            seconds += alone * rates.stage_seconds + computing * train * stage.epochs * work / rate
    return seconds


def describe_duration(seconds: float) -> Notice:
    """Say how long a fit will take, as roughly as it is known."""
    if seconds < 50:
        said = f"{max(round(seconds / 5) * 5, 5)} s"
    elif seconds < 3_000:
        said = f"{max(round(seconds / 60), 1)} min"
    else:
        said = f"{seconds / 3_600:.1f} h"
    return Notice("duration", f"this will take about {said} on this machine, less where a stage ends early")

"""What a learning curve comes to: whether more images would help, as far as it knows, in a few plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.units import build_units
from sightx_cli.probe.curve_figures import MeasuredCurve
from sightx_cli.probe.learning_curve import LearnedShare, measure_found
from sightx_cli.results.learning_curve import ClassGain, CurvePoint, Gain
from sightx_cli.task.task import Task

HELPS, FLAT, UNCLEAR, TOO_FEW = "helps", "flat", "unclear", "too-few"
"""Verdicts."""

HARDLY = 0.15
"""A curve is flat where twice as many images remove at most this share of what is still wrong, by all that is likely.

Where networks go on learning, errors fall with a power of 0.07 to 0.35 (Hestness et al. 2017), so by 5 to 22 %."""

FARTHEST = 2.5
"""What twice the images of the train part bring is foreseen where these are at most so many times the last point's."""

FROM_SHARE = 2
"""The place of the share that the classes are compared from, to the last: 60 %."""

FEWEST_OF_CLASS = 20
"""Of fewer images, or groups, no gain of a class can be told from chance."""


@dataclass(frozen=True)
class Verdict:
    """Whether more images would help, and what twice as many might bring."""

    verdict: str
    last_step: Gain
    doubling: Gain | None
    foreseen: CurvePoint | None
    """The figure with the doubled images."""
    sentence: str


def judge_curve(curve: MeasuredCurve, train_images: int) -> Verdict:
    """Judge a curve, and say in sentences what its last step did and what twice the images might bring."""
    last = len(curve.points) - 1
    step = curve.measure_gain(last - 1, last)
    rise = curve.measure_gain(last - 3, last)
    doubling, foreseen = None, None
    if train_images <= FARTHEST * curve.images[-1]:
        outlook = curve.foresee_gain(train_images, 2 * train_images)
        if outlook.is_told:
            doubling = Gain(train_images, 2 * train_images, outlook.mean, outlook.low, outlook.high)
            foreseen = curve.foresee_point(2 * train_images)
    if doubling is not None and doubling.high <= HARDLY * curve.error:
        verdict = FLAT
    elif step.low > 0 or (doubling is not None and rise.low > 0):
        verdict = HELPS
    else:
        verdict = UNCLEAR
    said = [_describe_step(curve, step), _describe_outlook(curve, verdict, doubling, train_images)]
    return Verdict(verdict, step, doubling, foreseen, " ".join(said))


def _describe_step(curve: MeasuredCurve, step: Gain) -> str:
    change, reach = curve.sign * step.mean, (step.high - step.low) / 2
    verb = "rose" if change >= 0 else "fell"
    within = "" if step.low > 0 or step.high < 0 else ", which is within its noise"
    return (
        f"From {step.from_images:,} to {step.to_images:,} images {curve.metric.title} {verb} by "
        f"{abs(change):.3f} ± {reach:.3f}{within}."
    )


def _describe_outlook(curve: MeasuredCurve, verdict: str, doubling: Gain | None, train_images: int) -> str:
    elsewhere = "more images of the same kind would hardly help; better labels, a larger size or another backbone may."
    if doubling is None:
        if train_images > FARTHEST * curve.images[-1]:
            return f"The curve ends there: what more than the {train_images:,} images would bring is beyond it."
        return "How the curve goes on beyond that cannot be told from these images."
    twice = f"Twice the {train_images:,} images"
    by = "lower" if curve.metric.lower_is_better else "raise"
    if verdict == FLAT:
        return f"{twice} might {by} it by {doubling.high:.3f} at most: {elsewhere}"
    said = (
        f"{twice} might {by} it by about {doubling.mean:.3f} ({doubling.low:.3f} to {doubling.high:.3f}) if the curve "
        "goes on as it has, which such estimates tend to overstate"
    )
    return f"{said}." if verdict == HELPS else f"{said}: too wide a range to say whether that is worth it."


def find_class_gain(
    task: Task, shares: Sequence[LearnedShare], targets: NDArray[np.int64], together: Sequence[str]
) -> ClassGain | None:
    """Find the class of which the last images learned from let heads find most; None where it may be chance.

    Chance has as many tries as there are classes (Bonferroni), and counts units: images, or groups of them.
    """
    from scipy.special import stdtrit

    before, after = (measure_found(task, shares[place], targets) for place in (FROM_SHARE, -1))
    units = build_units(together, len(targets))
    best: ClassGain | None = None
    for place, label in enumerate(task.classes):
        has = ~np.isnan(after[:, place])
        holding = len(np.unique(units.numbers[has]))
        if holding < FEWEST_OF_CLASS:
            continue
        gains = after[has, place] - before[has, place]
        gain = float(gains.mean())
        sums = np.bincount(units.numbers[has], gains - gain)
        error = float(np.sqrt((sums**2).sum() * holding / (holding - 1))) / len(gains)
        reach = float(stdtrit(holding - 1, 1 - 0.025 / len(task.classes))) * error
        if gain - reach <= 0 or (best is not None and gain <= best.gain.mean):
            continue
        ends = (round(shares[FROM_SHARE].images), round(shares[-1].images))
        found = float(before[has, place].mean()), float(after[has, place].mean())
        best = ClassGain(label, *found, Gain(*ends, gain, gain - reach, gain + reach))
    return best


def describe_class_gain(found: ClassGain) -> str:
    """Say which class gains most from more images."""
    return (
        f"{found.label!r} gains most: {found.before:.0%} of its images are recognised with "
        f"{found.gain.from_images:,} to learn from, {found.after:.0%} with {found.gain.to_images:,}."
    )

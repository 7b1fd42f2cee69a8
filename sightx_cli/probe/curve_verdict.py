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

LEAST_POINTS, LEAST_SHARE = 0.01, 0.05
"""A curve is flat where twice as many images bring less, by all that is likely: this much of the figure, or this share
of what is still wrong. Where networks go on learning, errors fall by 5 to 22 % (powers of 0.07 to 0.35, Hestness et al.
2017)."""

RISE_FROM = 1
"""The place of the share that a curve is said to have risen from, where its last step alone is too short: 40 %."""

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


def judge_curve(
    curve: MeasuredCurve, train_images: int, blind: float | None = None, is_saturated: bool = False
) -> Verdict:
    """Judge a curve, and say in sentences what its last step did and what twice the images might bring.

    `blind` is the figure of answers that know nothing of the images. A curve that is not above it yet may rise all the
    same (Viering & Loog 2023, "The Shape of Learning Curves", arXiv:2103.10948): it is not called flat.
    Where the figure that counts is saturated, so that the curve is of the log loss, nothing else is advised either.
    """
    last = len(curve.points) - 1
    step = curve.measure_gain(last - 1, last)
    rise = curve.measure_gain(RISE_FROM, last)
    doubling, foreseen = None, None
    is_blind = blind is not None and not curve.is_above(blind)
    if train_images <= FARTHEST * curve.images[-1] and not is_blind:
        outlook = curve.foresee_gain(train_images, 2 * train_images)
        if outlook.is_told:
            doubling = Gain(train_images, 2 * train_images, outlook.mean, outlook.low, outlook.high)
            foreseen = curve.foresee_point(2 * train_images)
    least = max(LEAST_POINTS, LEAST_SHARE * curve.error)
    if doubling is not None and doubling.high <= least:
        verdict = FLAT
    elif not is_blind and (step.low > 0 or rise.low > 0) and (doubling is None or doubling.mean > least / 2):
        verdict = HELPS
    else:
        verdict = UNCLEAR
    noise = "" if step.low > 0 or step.high < 0 else ", which is within its noise"
    said = f"{_describe_gain(curve, step, curve.metric.title)} (95 %){noise}."
    if is_blind:
        outlook_said = (
            f"Heads reach no more than chance gives ({blind:.3f}), so the curve does not tell what more would bring."
        )
    elif train_images > FARTHEST * curve.images[-1]:
        outlook_said = f"What more than the {train_images:,} training images would bring lies beyond this curve."
    elif doubling is not None:
        outlook_said = _describe_doubling(curve, verdict, doubling, is_saturated)
    elif verdict == HELPS:
        outlook_said = (
            f"{_describe_gain(curve, rise, 'it')}, so more images are likely to help; by how much, these images cannot "
            "tell."
        )
    else:
        outlook_said = "These images are too few to tell whether more would help."
    return Verdict(verdict, step, doubling, foreseen, f"{said} {outlook_said}")


def _describe_gain(curve: MeasuredCurve, gain: Gain, what: str) -> str:
    """Say by how much a figure changed, with its 95 % range: "From 128 to 160 images accuracy rose by 0.01 ± 0.02"."""
    change, reach = curve.sign * gain.mean, (gain.high - gain.low) / 2
    verb = "rose" if change >= 0 else "fell"
    ends = f"From {gain.from_images:,} to {gain.to_images:,} images"
    return f"{ends} {what} {verb} by {abs(change):.3f} ± {reach:.3f}"


def _describe_doubling(curve: MeasuredCurve, verdict: str, doubling: Gain, is_saturated: bool) -> str:
    """Say what twice the images might bring, with its range and no promise."""
    might = f"Twice the {doubling.from_images:,} training images might"
    might += " lower it" if curve.metric.lower_is_better else " raise it"
    if verdict == FLAT:
        elsewhere = "" if is_saturated else "; better labels, a larger size or another backbone may"
        return f"{might} by {doubling.high:.3f} at most: more images of the same kind would hardly help{elsewhere}."
    low, high = f"{max(doubling.low, 0.0):.3f}", f"{doubling.high:.3f}"
    if verdict == HELPS:
        return (
            f"{might} by about {doubling.mean:.3f} ({low} to {high}), if the curve goes on as it has: such estimates "
            "tend to be too hopeful."
        )
    return f"{might} by {low} to {high}: these images are too few to say whether that is worth it."


def describe_loss(loss: MeasuredCurve) -> str:
    """Say that the log loss, which is finer than shares of images, still falls, where a figure tells nothing."""
    step = loss.measure_gain(len(loss.points) - 2, len(loss.points) - 1)
    if step.low <= 0:
        return ""
    reach = (step.high - step.low) / 2
    return (
        f"The log loss, a finer measure, still fell in that step (by {step.mean:.3f} ± {reach:.3f}): with more images "
        "at least the probabilities are likely to improve."
    )


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

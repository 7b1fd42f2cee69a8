"""After training: classes that the model never recognises, and what to type so that it may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightx_cli.metrics.class_report import ClassFigures
from sightx_cli.progress import Notice
from sightx_cli.recipe.recipe import Recipe

FEW_IMAGES = 3
"""Fewer images of a class may all be missed by chance: they are only told of where it is never even predicted."""
UNEVEN = 1.5
"""Below this ratio of the largest class to the smallest, weights have nothing to do."""
NAMED = 5
"""As many classes are named; the others are counted."""


@dataclass(frozen=True)
class Missed:
    """A class of which no image is recognised: how many there are, and whether it is ever predicted."""

    label: str
    images: int
    is_predicted: bool


def find_missed(parts: Sequence[Sequence[ClassFigures]]) -> list[Missed]:
    """Find the classes of whose images, in all parts measured, none is recognised; the largest first."""
    by_label: dict[str, list[ClassFigures]] = {}
    for classes in parts:
        for one in classes:
            by_label.setdefault(one.label, []).append(one)
    missed = []
    for label, figures in by_label.items():
        images = sum(one.support for one in figures)
        is_predicted = any(one.precision is not None for one in figures)
        is_recognised = any(one.sensitivity for one in figures)
        if images and not is_recognised and (images >= FEW_IMAGES or not is_predicted):
            missed.append(Missed(label, images, is_predicted))
    return sorted(missed, key=lambda one: -one.images)


def describe_missed(missed: Sequence[Missed], recipe: Recipe, imbalance: float) -> Notice | None:
    """Warn about classes that are never recognised: with what to type, or that they need more images; None if none.

    `imbalance` is how many times the training images of the smallest class the largest has.
    """
    if not missed:
        return None
    named = [f"{one.label} ({one.images:,} image{'s' * (one.images != 1)})" for one in missed[:NAMED]]
    more = f" and {len(missed) - NAMED:,} more" if len(missed) > NAMED else ""
    never = [one for one in missed if not one.is_predicted]
    them = "it is" if len(missed) == 1 else "they are"
    predicted = f"; {them} never even predicted" if len(never) == len(missed) else ""
    if imbalance < UNEVEN:
        advice = "more training images, or a recipe that trains more of the network, may help: sightx recipes list"
    elif recipe.training.class_weights == "balanced":
        advice = "every class counts the same already: more training images are needed, or another class looks alike"
    else:
        advice = "to let every class count the same, however few its images: --set training.class_weights=balanced"
    return Notice(
        "never-recognised", f"never recognised: {', '.join(named)}{more}{predicted}; {advice}", len(missed), warns=True
    )

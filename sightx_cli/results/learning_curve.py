"""What a learning curve says: how good a head is with fewer images, and what more might bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class CurvePoint:
    """The figure of heads that learn from a share of the images, and its 95 % band."""

    images: int
    """How many a head learned from, on average over the folds."""
    share: float
    """Of the images that the folds judged on others left to learn from."""
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """By how much a figure improves from so many images to so many, above 0 where it improves, with its 95 % range."""

    from_images: int
    to_images: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassGain:
    """The class of which more images find most: the share of its images that is found, before and after."""

    label: str
    before: float
    after: float
    gain: Gain


@dataclass(frozen=True)
class LearningCurve:
    """Whether more images would help a linear head on the frozen network's features."""

    metric: str
    images: int
    """The images of the train part that were used."""
    points: tuple[CurvePoint, ...]
    """By rising numbers of images; empty where there are too few."""
    last_step: Gain | None
    """From the last point but one to the last."""
    gain_of_doubling: Gain | None
    """What twice the images of the train part might bring, by a power law; None where the points do not tell."""
    foreseen: CurvePoint | None
    """The figure at twice the images of the train part, likewise."""
    verdict: str
    """helps, flat or unclear; too-few without a curve."""
    class_gain: ClassGain | None
    sentence: str
    intervals_by: str = "images"
    """What is independent: images, or groups."""
    picture: Path | None = None
    seconds: float = 0.0

    def to_json(self) -> Mapping[str, Any]:
        """Return the JSON contract of `learning_curve`."""
        return to_object(vars(self))

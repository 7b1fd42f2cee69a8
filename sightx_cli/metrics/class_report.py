"""What is reported of each class: plain values, so that whoever only shows them loads nothing that measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares against the rest: a figure is None where it has no meaning (no image, or none predicted)."""

    label: str
    sensitivity: float | None
    """Of its images, the share that is recognised."""
    precision: float | None
    """Of the images that are given it, the share that is of it: the positive predictive value, at this prevalence."""
    support: int
    """Its images."""
    specificity: float | None = None
    """Of the images that are not of it, the share that is not given it."""
    npv: float | None = None
    """Of the images that are not given it, the share that is not of it: the negative predictive value."""
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    """The 95 % interval of each figure, by its name."""
    threshold: float | None = None
    """The probability from which an image is given it, where an image may have several labels."""

    @property
    def ppv(self) -> float | None:
        """The positive predictive value: its other name is precision."""
        return self.precision

    def to_json(self) -> dict[str, object]:
        """The figures by name."""
        found = {name: value for name, value in vars(self).items() if name != "threshold" or value is not None}
        return {**found, "ppv": self.precision, "intervals": dict(self.intervals or {})}


@dataclass(frozen=True)
class ClassReport:
    """The figures of each class, and the confusion matrix: rows are the true classes, columns the predicted ones.

    Where an image may have several classes there is no such matrix: it is empty.
    """

    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...] = ()

    def find_largest(self) -> tuple[str, float] | None:
        """Find the class with most images, and its share of them: the accuracy of always answering it. None if none."""
        images = sum(map(sum, self.confusion))
        if not images:
            return None
        largest = max(self.classes, key=lambda figures: figures.support)
        return largest.label, largest.support / images

    def to_json(self) -> dict[str, object]:
        """The report as plain lists and numbers."""
        return {
            "classes": [figures.to_json() for figures in self.classes],
            "confusion": [list(row) for row in self.confusion],
        }

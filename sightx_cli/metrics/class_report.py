"""What is reported of each class: plain values, so that whoever only shows them loads nothing that measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares: its figures are None where they have no meaning (no image, or none predicted)."""

    label: str
    sensitivity: float | None
    precision: float | None
    support: int
    specificity: float | None = None
    """Measured where an image may have several labels, each a question of its own."""

    def to_json(self) -> dict[str, object]:
        """The figures by name."""
        return {name: value for name, value in vars(self).items() if name != "specificity"}


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

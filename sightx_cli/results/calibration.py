"""What a fit found of its model's probabilities, and of what it can say about an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OUT_OF_FOLD, VALID = "out of fold", "valid"
"""The predictions that something is fitted on: of cross-validation's heads, or of the validation part."""


@dataclass(frozen=True)
class Calibration:
    """The temperature of a model, and its figures of the valid part before and after."""

    temperature: float
    fitted_on: str
    """OUT_OF_FOLD or VALID; "" where there were too few images to fit it on."""
    images: int
    """How many it was fitted on."""
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]
    cross_fitted: bool
    """Whether `after` is of temperatures fitted on other images of the same part; those of the finished model are
    a little flattered there."""

    @property
    def shows_no_gain(self) -> bool:
        """Whether images that the temperature was not fitted on have no lower log loss with it.

        It is used all the same: left out wherever none shows, probabilities of new images are worse on average
        (docs/strategies.md).
        """
        before, after = self.before.get("loss"), self.after.get("loss")
        return self.cross_fitted and before is not None and after is not None and after >= before


@dataclass(frozen=True)
class Abstention:
    """What tells images that a model is unsure of, and images unlike those it learned from."""

    level: float | None
    """How often the classes that stay possible hold the true one; None where nothing tells unsure images."""
    measured_on: str
    images: int
    pooled: tuple[str, ...]
    """Classes with too few images for a measure of their own."""
    unsure: int | None
    """How many images of the valid part it is unsure of."""
    familiar_images: int
    """The training images kept to compare with; 0 where nothing tells unfamiliar ones."""
    familiar_bytes: int
    unfamiliar: int | None
    """How many images of the valid part look unfamiliar; None where that is not known."""

"""Whether a value is worth its time: a first look at some of the images, before it is measured on all.

What needs a forward of its own takes most of a probe's time, and most of it is no better than the recipe's value. So it
goes on only where its log loss on some of the images is no higher. A first look never chooses a value: that is done on
all images (see `probe.trials`). After Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and
hyperparameter optimization".
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SHARE, MOST_FIRST = 0.4, 300
"""The images of a first look: this share of the probe's, at most so many."""

FEWEST_FIRST = 80
"""Where it would have fewer, everything is measured on all images at once: they tell little, and cost little."""


def count_first(images: int) -> int:
    """Return how many of the probe's images a first look takes; 0 where there is none."""
    first = min(MOST_FIRST, round(FIRST_SHARE * images))
    return first if first >= FEWEST_FIRST else 0


@dataclass(frozen=True)
class FirstLook:
    """How a value compares with the recipe's own on some of the images."""

    images: int
    behind: float
    """How much higher its mean log loss is."""

    @property
    def goes_on(self) -> bool:
        """Whether the value is measured on all images."""
        return self.behind <= 0

    def describe(self, value: str, own: str) -> str:
        """Say why the value went no further, each value in words: "320 px: log loss 0.02 higher than with 260 px …"."""
        return f"{value}: log loss {self.behind:.2g} higher than with {own} on {self.images} images, so on no more"

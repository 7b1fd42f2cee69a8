"""Whether a value is worth its time: a first look at some of the images, before it is measured on all.

What needs a forward of its own takes most of a probe's time, and most of it is no better than the recipe's value, which
is only left for what is better beyond chance. So it goes on only where its log loss on some of the images is lower by
half a standard error or more, as a value that is two or three errors better on all of them mostly is. A first look
never chooses a value: that is done on all images (see `probe.trials`). After Jamieson and Talwalkar 2016,
"Non-stochastic best arm identification and hyperparameter optimization".
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SHARE, MOST_FIRST = 0.4, 300
"""The images of a first look: this share of the probe's, at most so many."""

FEWEST_FIRST = 80
"""Where it would have fewer, everything is measured on all images at once: they tell little, and cost little."""

LEAST_ERRORS = 0.5
"""A value is ahead by at least so many standard errors where it goes on."""


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
    error: float
    """The standard error of that difference."""

    @property
    def goes_on(self) -> bool:
        """Whether the value is measured on all images."""
        return -self.behind >= LEAST_ERRORS * self.error

    def describe(self, value: str, own: str) -> str:
        """Say why the value, in words, went no further: "320 px: log loss 0.02 ± 0.01 higher than with 260 px …"."""
        against = f"log loss {abs(self.behind):.2g} ± {self.error:.2g} {'higher' if self.behind > 0 else 'lower'}"
        return f"{value}: {against} than with {own} on {self.images} images, so measured on no more"

"""Finds classes that can be told apart by irrelevant properties: the size of the image, its shape, format or mode.

A model learns the easiest cue. If all sick patients were imaged on one machine and all healthy ones on another,
that cue is the machine (Zech et al. 2018, doi 10.1371/journal.pmed.1002683).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from sightx_cli.data.readers import Header
from sightx_cli.results.inspect import Shortcut

TELLING = 0.85
"""A class stands out from this balanced accuracy of the best rule "this class or not" on one property alone."""
LEAST_IMAGES = 10
"""Classes with fewer images are not judged: chance could tell them apart."""

LEAST_RATIO = 1.05
"""Sizes and shapes whose medians differ by less are the same to a network, which sees them resized."""
NUMBERS = {"size": "{:,.2f} megapixels", "aspect": "aspect ratio {:.2f}"}
KINDS = {"format": 4, "mode": 2, "bits": 3}
"""Positions of these properties in a header."""


def find_shortcuts(headers: Sequence[Header], labels: Sequence[Collection[str]]) -> list[Shortcut]:
    """Find the classes that one property of the headers (width, height, mode, bits, format) separates from the others.

    `labels` are the classes of each image. With two classes, one for each image, only the first is named: what
    identifies it identifies the other.
    """
    classes = sorted({name for names in labels for name in names})
    is_either = len(classes) == 2 and all(len(names) == 1 for names in labels)
    numbers = {
        "size": np.array([width * height / 1e6 for width, height, *_ in headers]),
        "aspect": np.array([width / height for width, height, *_ in headers]),
    }
    found = []
    for label in classes[:1] if is_either else classes:
        here = np.array([label in names for names in labels])
        if here.sum() < LEAST_IMAGES or (~here).sum() < LEAST_IMAGES:
            continue
        for what, values in numbers.items():
            share = measure_threshold(values[here], values[~here])
            middles = [float(np.median(values[side])) for side in (here, ~here)]
            if share >= TELLING and max(middles) >= LEAST_RATIO * min(middles):
                usual, others = (NUMBERS[what].format(middle) for middle in middles)
                found.append(Shortcut(label, what, share, usual, others))
        for what, place in KINDS.items():
            values = np.array([str(header[place]) for header in headers])
            share = measure_kinds(values[here].tolist(), values[~here].tolist())
            if share >= TELLING:
                usual, others = (_name_most(values[side].tolist()) for side in (here, ~here))
                found.append(Shortcut(label, what, share, usual, others))
    return found


def measure_threshold(here: np.ndarray, others: np.ndarray) -> float:
    """Return the balanced accuracy of the best threshold: (1 + the Kolmogorov–Smirnov distance) / 2."""
    from scipy.stats import ks_2samp

    return float(1 + ks_2samp(here, others, method="asymp").statistic) / 2


def measure_kinds(here: Sequence[str], others: Sequence[str]) -> float:
    """Return the balanced accuracy of the best rule over categories: (1 + the total variation distance) / 2."""
    mine, theirs = Counter(here), Counter(others)
    distance = sum(abs(mine[kind] / len(here) - theirs[kind] / len(others)) for kind in {*mine, *theirs}) / 2
    return (1 + distance) / 2


def _name_most(values: Sequence[str]) -> str:
    """Return the most common value and its share: "PNG (98 %)"."""
    value, count = Counter(values).most_common(1)[0]
    return f"{value} ({100 * count / len(values):.0f} %)"

"""Looking at some of very many images, and what that leaves open: said with its bound, never passed over.

A fault that none of n images drawn at random has, at most 3 ÷ n of all have, at a level of 95 %: the rule of three
(Hanley & Lippman-Hand 1983, doi 10.1001/jama.1983.03330370053031).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sightx_cli.data.manifest import Manifest
from sightx_cli.data.text_columns import MOST_LISTED, number_texts
from sightx_cli.progress import Notice

SAMPLED_IMAGES = 20_000
"""So many of more than MOST_LISTED are examined one by one: some minutes without a GPU, and a bound of 0.015 %."""
LEAST_OF_A_CLASS = 20
"""So many of each class are among them, as far as there are."""
SEED = 0


def bound_share(images: int) -> float:
    """Return the largest share of all, in percent, that may have what none of so many images drawn at random has."""
    return 100 * min(3 / max(images, 1), 1.0)


def sample_manifest(manifest: Manifest) -> tuple[Manifest, Notice | None]:
    """Draw images to examine one by one where there are more than MOST_LISTED; the rest is left out, which is said."""
    count = len(manifest.frame)
    if count <= MOST_LISTED:
        return manifest, None
    order = np.random.default_rng(SEED).permutation(count)
    chosen = np.zeros(count, bool)
    chosen[order[:SAMPLED_IMAGES]] = True
    numbers = number_texts(manifest.frame["label"])[order]
    by_class = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[by_class], prepend=-2))
    rank = np.arange(count) - np.repeat(starts, np.diff([*starts, count]))
    chosen[order[by_class[rank < LEAST_OF_A_CLASS]]] = True
    drawn = int(chosen.sum())
    text = (
        f"looking at {drawn:,} of the {count:,} images, drawn at random: what is found in none of them, at most "
        f"{bound_share(drawn):.2g} % of all have (95 %, rule of three); of two copies both must be drawn to be found. "
        "A fit reads all, and finds all files with the same bytes"
    )
    frame = manifest.frame[chosen].reset_index(drop=True)
    return replace(manifest, frame=frame), Notice("sampled", text, drawn, warns=True)

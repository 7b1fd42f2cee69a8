"""Before training: are held-out images of a given split copies of training images, resized or re-encoded?

Files with the same bytes are found by `steps.split`; these differ in their bytes. The frozen network's features of all
images have been computed anyway, so the search costs next to nothing; the pixels of the likeliest pairs decide.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import quote
from sightx_cli.progress import Listener
from sightx_cli.results.leaks import CopiesAcross
from sightx_cli.steps.preparation import Preparation

if TYPE_CHECKING:
    from sightx_cli.train.state import Session

SEARCHED_IMAGES = 1_000
"""From a larger valid part this many images, spread over it, are compared with the train part."""

CHECKED_PAIRS = 100
"""The pixels of this many pairs, the most alike by features, are compared: enough to know whether there are copies."""

ALIKE = 0.6
"""The cosine from which a pair is compared. Of 40 photographs of ants and bees, all 40 re-saved at quality 50
are above it, 38 cropped by 5 % on each side and 36 at half the size; of 153 others none. If images are alike, as
X-rays are, others are above it too: the pixels decide."""


def look_for_copies(preparation: Preparation, session: Session, listener: Listener) -> CopiesAcross | None:
    """Look for copies of training images in a given valid part, and warn about them; None if there are none."""
    if not preparation.manifest.has_valid:
        return None
    began = time.perf_counter()
    train, valid = preparation.part("train"), preparation.part("valid")
    if session.features is None or not len(train) or not len(valid):
        return None
    left, right = find_likely_pairs(session.features.read_views()[0], session.features.read_valid())
    # identical files have been reported already
    others = train["digest"].to_numpy()[left] != valid["digest"].to_numpy()[right]
    left, right = left[others][:CHECKED_PAIRS], right[others][:CHECKED_PAIRS]
    if not len(left):
        return None
    import pandas as pd

    from sightx_cli.features.examination import examine_images
    from sightx_cli.quality.duplicates import COPY_AGREEMENT
    from sightx_cli.quality.registration import measure_agreement

    rows = pd.concat([train.iloc[left], valid.iloc[right]])
    task = "looking for copies across the split"
    readable, seen, _ = examine_images(rows, preparation.store, listener, task, preparation.reading)
    if len(readable) < len(rows):
        return None  # files that have just disappeared: what follows reports them
    sides = np.array([min(width, height) for width, height, *_ in seen.headers])
    places = np.arange(len(left))
    agreement = measure_agreement(seen.pictures, places, places + len(left), sides)
    are_copies = agreement >= COPY_AGREEMENT
    if not are_copies.any():
        return None
    first = int(np.argmax(agreement))
    example = (str(train["image"].iloc[left[first]]), str(valid["image"].iloc[right[first]]))
    found = CopiesAcross(int(are_copies.sum()), len(left), example, time.perf_counter() - began)
    say_copies(found, preparation, listener)
    return found


def find_likely_pairs(
    train: NDArray[np.float32], valid: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of each valid image and of the most similar train image, (P,) each, the likeliest first.

    `train` (N, F) and `valid` (M, F) are features; similarity is the cosine about the train part's mean, from ALIKE.
    """
    rows = np.unique(np.linspace(0, len(valid) - 1, min(len(valid), SEARCHED_IMAGES)).astype(np.int64))
    middle, spread = train.mean(0), train.std(0) + 1e-6
    best, nearest = np.full(len(rows), -2.0, np.float32), np.zeros(len(rows), np.int64)
    asked = _to_directions((valid[rows] - middle) / spread)
    for start in range(0, len(train), 4096):
        cosines = asked @ _to_directions((train[start : start + 4096] - middle) / spread).T
        places = cosines.argmax(1)
        values = cosines[np.arange(len(rows)), places]
        better = values > best
        best[better], nearest[better] = values[better], places[better] + start
    order = np.argsort(-best, kind="stable")
    order = order[best[order] >= ALIKE]
    return nearest[order], rows[order]


def _to_directions(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-6), np.float32)


def say_copies(found: CopiesAcross, preparation: Preparation, listener: Listener) -> None:
    """Warn about copies, and say what to type; only a note if the user allowed leaks."""
    told = (
        f"{found.copies} of the {found.looked_at} valid images that most resemble a training image are copies of it, "
        f"resized or re-saved, such as {found.example[1]} of {found.example[0]}"
    )
    if preparation.options.allow_leaks:
        listener.note(f"leaks allowed: {told}")
        return
    listener.warn(
        f"leak: {told}. What was seen in training is recognised, so the figures look better than they will be; "
        f"sightx inspect {quote(preparation.options.source)} shows them all, and --fix FILE lists what to leave out"
    )

"""Before training: which photographs are there more than once, resized or re-encoded?

A copy of a training image in the valid part flatters the figures, copies with different labels contradict each other.
Files with the same bytes are found by `steps.split`; these differ in their bytes. The frozen network's features of all
images have been computed anyway, so the search costs next to nothing; the pixels of the likeliest pairs decide.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.text_columns import MOST_LISTED
from sightx_cli.errors import quote
from sightx_cli.progress import Listener, Notice
from sightx_cli.quality.repeats import describe_repeats
from sightx_cli.quality.sample_bounds import bound_share
from sightx_cli.results.leaks import CopiesAcross
from sightx_cli.steps.preparation import Preparation

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.train.state import Session

SEARCHED_IMAGES = 1_000
"""Of a larger part this many images, spread over it, are compared with the train part."""

CHECKED_PAIRS = 100
"""The pixels of this many pairs, the most alike by features, are compared: enough to know whether there are copies."""

ALIKE = 0.6
"""The cosine from which a pair is compared. Of 40 photographs of ants and bees, all 40 re-saved at quality 50
are above it, 38 cropped by 5 % on each side and 36 at half the size; of 153 others none. If images are alike, as
X-rays are, others are above it too: the pixels decide."""


SURE_AGREEMENT = 0.97
"""The agreement of pixels from which a fit calls a pair copies, more than `inspect` asks for, which shows its pairs:
planted copies reach it, enlarged handwritten digits, which have little in them to tell apart, at most 0.962."""


@dataclass(frozen=True)
class Pair:
    """Two images that may be one photograph: their places in train and in the part named, "train" or "valid"."""

    train: int
    other: int
    part: str


def look_for_copies(preparation: Preparation, session: Session, listener: Listener) -> CopiesAcross | None:
    """Look for photographs that train has twice, or that valid has too; say what was found.

    Returns those on both sides of the split, None if there are none.
    """
    began = time.perf_counter()
    parts = {name: preparation.part(name) for name in ("train", "valid")}
    if session.features is None or not all(map(len, parts.values())):
        return None
    pairs = list_pairs(session.features.read_views()[0], session.features.read_valid(), parts)
    if not pairs:
        say_bound(parts, listener)
        return None
    agreement = compare_pixels(pairs, parts, preparation, listener)
    if agreement is None:
        return None  # files that have just disappeared: what follows reports them
    copies = [(pair, found) for pair, found in zip(pairs, agreement, strict=True) if found >= SURE_AGREEMENT]
    say_repeats([pair for pair, _ in copies], parts, preparation, listener)
    across = [(found, pair) for pair, found in copies if pair.part == "valid"]
    if not across:
        say_bound(parts, listener)
        return None
    first = max(across, key=lambda one: one[0])[1]
    example = (str(parts["train"]["image"].iloc[first.train]), str(parts["valid"]["image"].iloc[first.other]))
    looked_at = sum(pair.part == "valid" for pair in pairs)
    found = CopiesAcross(len(across), looked_at, example, time.perf_counter() - began)
    say_copies(found, preparation, listener)
    return found


def say_bound(parts: Mapping[str, pd.DataFrame], listener: Listener) -> None:
    """Say of very many images, of which no copies were found, how few were compared and what that leaves open."""
    searched, valid = SEARCHED_IMAGES, len(parts["valid"])
    if sum(map(len, parts.values())) > MOST_LISTED and valid > searched:
        text = (
            f"no resized or re-saved copy of a training image among {searched:,} of the {valid:,} valid images: at "
            f"most {bound_share(searched):.2g} % of them are copies (95 %, rule of three). The bytes of all were "
            "compared"
        )
        listener.notice(Notice("copies-bound", text, searched))


def list_pairs(train: NDArray[np.float32], valid: NDArray[np.float32], parts: Mapping[str, pd.DataFrame]) -> list[Pair]:
    """List the likeliest pairs of train with valid, and within train, CHECKED_PAIRS of each, from their features."""
    digests = {name: part["digest"].to_numpy() for name, part in parts.items()}
    pairs = []
    for name, rows in (("valid", valid), ("train", train)):
        left, right = find_likely_pairs(train, rows, within=name == "train")
        others = digests["train"][left] != digests[name][right]  # identical files have been reported already
        pairs += [Pair(int(a), int(b), name) for a, b in zip(left[others], right[others], strict=True)][:CHECKED_PAIRS]
    return pairs


def compare_pixels(
    pairs: Sequence[Pair], parts: Mapping[str, pd.DataFrame], preparation: Preparation, listener: Listener
) -> NDArray[np.float32] | None:
    """Measure how well the pixels of each pair agree, (P,); None where a file can no longer be read."""
    import pandas as pd

    from sightx_cli.features.examination import examine_images
    from sightx_cli.quality.registration import measure_agreement

    columns = ["image", "path", "digest"]
    left = parts["train"].iloc[[pair.train for pair in pairs]][columns]
    right = pd.concat([parts[pair.part].iloc[[pair.other]][columns] for pair in pairs])
    rows = pd.concat([left, right], ignore_index=True)
    once = rows.drop_duplicates("path", ignore_index=True)
    readable, seen, _ = examine_images(once, preparation.store, listener, "looking for copies", preparation.reading)
    if len(readable) < len(once):
        return None
    places = pd.Index(once["path"]).get_indexer(rows["path"])
    sides = np.array([min(header[:2]) for header in seen.headers])
    return measure_agreement(seen.pictures, places[: len(pairs)], places[len(pairs) :], sides)


def say_repeats(
    copies: Sequence[Pair], parts: Mapping[str, pd.DataFrame], preparation: Preparation, listener: Listener
) -> None:
    """Say which copies bear different labels, and how many there are within train."""
    train = parts["train"]
    images, labels = train["image"].tolist(), train["label"].tolist()
    shown = []
    for pair in copies:
        if pair.part == "train":
            shown.append([pair.train, pair.other])
        elif parts["valid"]["label"].iloc[pair.other] != labels[pair.train]:  # alike ones are said as leaks
            images.append(parts["valid"]["image"].iloc[pair.other])
            labels.append(parts["valid"]["label"].iloc[pair.other])
            shown.append([pair.train, len(images) - 1])
    source = preparation.options.source
    for notice in describe_repeats(shown, images, labels, source, "resized or re-saved"):
        listener.notice(notice)


def find_likely_pairs(
    train: NDArray[np.float32], others: NDArray[np.float32], within: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the most similar train image and of each other image, (P,) each, the likeliest first.

    `train` (N, F) and `others` (M, F) are features; similarity is the cosine about the train part's mean, from ALIKE.
    With `within`, `others` are the train images themselves: none is paired with itself, and each pair is given once.
    """
    rows = np.unique(np.linspace(0, len(others) - 1, min(len(others), SEARCHED_IMAGES)).astype(np.int64))
    middle, spread = train.mean(0), train.std(0) + 1e-6
    best, nearest = np.full(len(rows), -2.0, np.float32), np.zeros(len(rows), np.int64)
    asked = _to_directions((others[rows] - middle) / spread)
    for start in range(0, len(train), 4096):
        cosines = asked @ _to_directions((train[start : start + 4096] - middle) / spread).T
        if within:
            own = np.flatnonzero((rows >= start) & (rows < start + cosines.shape[1]))
            cosines[own, rows[own] - start] = -2.0
        places = cosines.argmax(1)
        values = cosines[np.arange(len(rows)), places]
        better = values > best
        best[better], nearest[better] = values[better], places[better] + start
    order = np.argsort(-best, kind="stable")
    order = order[best[order] >= ALIKE]
    left, right = nearest[order], rows[order]
    if within:
        _, first = np.unique(np.sort(np.stack([left, right], 1), axis=1), axis=0, return_index=True)
        kept = np.sort(first)
        left, right = left[kept], right[kept]
    return left, right


def _to_directions(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-6), np.float32)


def say_copies(found: CopiesAcross, preparation: Preparation, listener: Listener) -> None:
    """Warn about copies, and say what to type; only a note if the user allowed leaks."""
    told = (
        f"{found.copies} of the {found.looked_at} valid images that most resemble a training image are copies of it, "
        f"resized or re-saved, such as {found.example[1]} of {found.example[0]}"
    )
    if preparation.options.allow_leaks:
        listener.notice(Notice("leak", f"leaks allowed: {told}", found.copies))
        return
    look = f"sightx inspect {quote(preparation.options.source)} shows them all, and lists what to leave out"
    known = "What was seen in training is recognised, so the figures look better than they will be"
    listener.notice(Notice("leak", f"leak: {told}. {known}; {look}", found.copies, warns=True))

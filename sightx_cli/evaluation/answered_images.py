"""What a bundle answers for the images it is judged on, and what their files are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.predictor import Prediction, Predictor
from sightx_cli.data.checks import Unreadable, refuse_all
from sightx_cli.data.contents import FileFacts, measure_files
from sightx_cli.data.readers import Found, Header
from sightx_cli.data.tags.tag_groups import add_tag_columns
from sightx_cli.progress import Listener

if TYPE_CHECKING:
    import pandas as pd

HASHING, PREDICTING = "reading the files", "predicting"
"""The work as the user sees it."""
TIMED_IMAGES = 64


@dataclass(frozen=True)
class AnsweredImages:
    """The rows whose images could be read, in their order, and what the model says of each."""

    frame: pd.DataFrame
    """With the columns digest, and what the files say of themselves (`tag_groups`); its index is new."""
    probabilities: NDArray[np.float32]
    """(N, C)."""
    plain: NDArray[np.float32] | None
    """By the plain view alone, (N, C), where the others are means over several views."""
    images_per_second: float
    statuses: tuple[str, ...]
    """Whether each prediction is sure, unsure, or of an unfamiliar image; "" where nothing tells."""
    headers: tuple[Header, ...]
    found: tuple[Found, ...]
    unreadable: tuple[Unreadable, ...]


Ask = Callable[[Sequence[str], Sequence[str], Listener], Iterator[tuple[FileFacts, Prediction]]]
"""Gives the facts of each file, and what the model says of it, in order: of images by their names and paths."""


def ask_predictor(
    predictor: Predictor, images: Sequence[str], paths: Sequence[str], listener: Listener
) -> Iterator[tuple[FileFacts, Prediction]]:
    """Ask a bundle in this process about images; their files are read before anything is yielded."""
    listener.start(HASHING, len(paths), "images")
    try:  # their bytes and headers alone: the model reads the pixels
        facts = measure_files(
            paths, lambda *_: Found(), partial(listener.advance, HASHING), reading=predictor.facts.reading
        )
    finally:
        listener.finish(HASHING)
    return _predict_measured(predictor, images, paths, facts, listener)


def _predict_measured(
    predictor: Predictor, images: Sequence[str], paths: Sequence[str], facts: Sequence[FileFacts], listener: Listener
) -> Iterator[tuple[FileFacts, Prediction]]:
    listener.start(PREDICTING, len(paths), "images")
    try:
        for one, prediction in zip(facts, predictor.predict(zip(images, paths, strict=True)), strict=True):
            listener.advance(PREDICTING)
            yield one, prediction
    finally:
        listener.finish(PREDICTING)


def answer_images(
    predictor: Predictor, frame: pd.DataFrame, listener: Listener, ask: Ask | None = None
) -> AnsweredImages:
    """Ask a bundle about images (columns image, path); one that cannot be read is set aside, and never stops the rest.

    `ask` asks elsewhere than in this process. Raises: `DataError` where none can be read.
    """
    paths, images = [str(path) for path in frame["path"]], [str(image) for image in frame["image"]]
    rows, plain, statuses, found, good, unreadable = [], [], [], [], [], []
    facts: list[FileFacts] = []
    answers = (ask or partial(ask_predictor, predictor))(images, paths, listener)
    began = time.perf_counter()
    for place, (one, prediction) in enumerate(answers):
        facts.append(one)
        if prediction.probabilities is None or prediction.found is None:
            error = prediction.error.removeprefix(f"{paths[place]}: ")
            unreadable.append(Unreadable(images[place], error, one.hint))
            continue
        good.append(place)
        rows.append(prediction.probabilities)
        plain.append(prediction.plain)
        statuses.append(prediction.status)
        found.append(prediction.found)
    if not rows:
        raise refuse_all(unreadable)
    read = frame.iloc[good].assign(digest=[facts[place].digest for place in good]).reset_index(drop=True)
    headers = tuple(header for place in good if (header := facts[place].header) is not None)
    return AnsweredImages(
        add_tag_columns(read, found),
        np.stack(rows),
        np.stack([one for one in plain if one is not None]) if predictor.views > 1 else None,
        len(paths) / max(time.perf_counter() - began, 1e-9),
        tuple(statuses),
        headers,
        tuple(found),
        tuple(unreadable),
    )


def measure_rate(predictor: Predictor, frame: pd.DataFrame) -> float:
    """Measure how many images a second a bundle answers for, on some of them."""
    items = list(zip(map(str, frame["image"][:TIMED_IMAGES]), map(str, frame["path"][:TIMED_IMAGES]), strict=True))
    began = time.perf_counter()
    answered = sum(1 for _ in predictor.predict(items))
    return answered / max(time.perf_counter() - began, 1e-9)

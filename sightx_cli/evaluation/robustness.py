"""How the figures fare on images changed as archives, cameras and screens change them: on `MOST_IMAGES` at most."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from sightx_cli.bundle.predictor import Predictor
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import AS_IS
from sightx_cli.evaluation.part_figures import list_units
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Listener
from sightx_cli.results.evaluate import Changed, Robustness
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

MOST_IMAGES = 200
CHANGING = "changing images, to see how the figures hold"
"""The work as the user sees it."""
BLUR_SHARE = 1 / 224
"""The standard deviation of the blur, as a share of the side: one pixel of 224."""
JPEG_QUALITY, BRIGHTER, DARKER, CROPPED = 30, 1.2, 0.8, 0.9

Change = Callable[[Image.Image], Image.Image]


def compress(image: Image.Image) -> Image.Image:
    """Save as JPEG of low quality, and read again."""
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=JPEG_QUALITY)
    return Image.open(stream).convert("RGB")


def blur(image: Image.Image) -> Image.Image:
    """Blur as a lens a little out of focus does."""
    return image.filter(ImageFilter.GaussianBlur(image.width * BLUR_SHARE))


def crop(image: Image.Image) -> Image.Image:
    """Cut out the centre and enlarge it to the size that it had."""
    rim = round(image.width * (1 - CROPPED) / 2)
    box = (rim, rim, image.width - rim, image.height - rim)
    return image.crop(box).resize(image.size, Image.Resampling.BILINEAR)


CHANGES: dict[str, Change] = {
    f"JPEG of quality {JPEG_QUALITY}": compress,
    "a little out of focus": blur,
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(BRIGHTER),
    "20 % darker": lambda image: ImageEnhance.Brightness(image).enhance(DARKER),
    "90 % of the side, cut out": crop,
}
"""What is done to an image as the network receives it (its side is the network's), by its name in metrics.json."""


def measure_robustness(
    predictor: Predictor, part: pd.DataFrame, probabilities: NDArray[np.float32], listener: Listener, seed: int = 0
) -> Robustness:
    """Measure the figures of changed images beside those of the same images unchanged.

    Of more than `MOST_IMAGES` images (columns image, path, label, group, digest) so many are drawn, in the classes'
    shares. Figures of decisions come with intervals; the differences say more, for the images are the same.
    """
    task = predictor.facts.task
    places = draw_images(task, part, seed)
    chosen, unchanged = part.iloc[places].reset_index(drop=True), probabilities[places]
    targets, together = task.number(chosen["label"].tolist()), list_units(chosen)
    found = [_measure("unchanged", task, unchanged, targets, together)]
    listener.start(CHANGING, len(CHANGES) * len(chosen), "images")
    try:
        with tempfile.TemporaryDirectory(prefix="sightx-") as folder:
            views = [_read_view(predictor, str(path)) for path in chosen["path"]]
            for name, change in CHANGES.items():
                answers = _answer(predictor, views, change, Path(folder), listener)
                found.append(_measure(name, task, answers, targets, together))
    finally:
        listener.finish(CHANGING)
    return Robustness(len(chosen), len(part), tuple(found))


def draw_images(task: Task, part: pd.DataFrame, seed: int) -> list[int]:
    """Draw the places of at most `MOST_IMAGES` images, each class in its share."""
    if len(part) <= MOST_IMAGES:
        return list(range(len(part)))
    strata = task.find_strata(task.number(part["label"].tolist()))
    keys = strata if strata.ndim == 1 else np.unique(strata, axis=0, return_inverse=True)[1].ravel()
    shuffled = np.random.default_rng(seed).permutation(len(part))
    ordered = shuffled[np.argsort(keys[shuffled], kind="stable")]
    return sorted(ordered[np.linspace(0, len(part) - 1, MOST_IMAGES).round().astype(int)].tolist())


def _read_view(predictor: Predictor, path: str) -> Image.Image:
    facts = predictor.facts
    return Image.fromarray(read_plain_view(path, facts.size_px, facts.fit, facts.reading)[0])


def _answer(
    predictor: Predictor, views: list[Image.Image], change: Change, folder: Path, listener: Listener
) -> NDArray[np.float32]:
    """Ask the bundle about changed views, as files: so it answers as it does for any image."""
    from concurrent.futures import ThreadPoolExecutor

    def save(place: int) -> str:
        path = folder / f"{place}.png"
        change(views[place]).save(path, compress_level=0)
        return str(path)

    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        paths = list(pool.map(save, range(len(views))))
    rows = []
    asked = replace(predictor, facts=replace(predictor.facts, reading=AS_IS))
    for prediction in asked.predict((path, path) for path in paths):
        if prediction.probabilities is None:
            raise OSError(f"a changed image cannot be predicted: {prediction.error}")
        rows.append(prediction.probabilities)
        listener.advance(CHANGING)
    return np.stack(rows)


def _measure(
    name: str, task: Task, probabilities: NDArray[np.float32], targets: NDArray[np.int64], together: list[str]
) -> Changed:
    figures = task.measure_figures(probabilities, targets)
    intervals = task.measure_intervals(probabilities, targets, together)
    return Changed(name, figures, intervals)

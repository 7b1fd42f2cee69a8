"""Holds what an export answers against the bundle computed in float32, on real images, before anyone gets it.

Both files of an export are measured here, whatever the format: the one that takes plain views, and the one that takes
an image of any size and resizes it itself, which cannot equal Pillow to the digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.exporter import ExportPrecision, Images, LoadedExport, Probabilities
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.int8_loss import find_loss
from sightx_cli.bundle.parity import SAME, Parity, hold_against
from sightx_cli.bundle.predictor import Predictor
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import ImageFileError, read_image
from sightx_cli.engine.interface import FROZEN, PROBABILITIES
from sightx_cli.machine import measure_threads

MOST_IMAGES = 500
"""So many images of the valid part are asked about, spread over the part; all of a smaller one."""
LARGEST_DIFFERENCE: dict[ExportPrecision, float] = {"float32": SAME, "float16": 1e-2, "bfloat16": 1e-2}
"""How far any probability may lie from the bundle's, by what the numbers are kept in."""
LEAST_AGREEMENT = 0.995
"""The share of images that must have the bundle's label by the file that takes any size."""
TOGETHER = 16
"""Images read ahead: enough for every thread, and few enough of large ones to hold in memory."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class ReferenceAnswers:
    """Images, and what the bundle says of them in float32."""

    facts: BundleFacts
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    """What the images are, as a table of labels holds it."""
    expected: Probabilities
    """(N, C), tempered."""
    distances: NDArray[np.float32] | None = None
    """(N,), from the training images; None where nothing tells unfamiliar images."""

    def ask_views(self, export: LoadedExport) -> Probabilities:
        """Return the export's answers to the plain views, (N, C)."""
        return np.concatenate([export.answer_views(views) for views in read_plain_views(self.facts, self.paths)])

    def measure_views(self, found: Probabilities) -> Parity:
        """Measure how an export's answers to the plain views lie from the bundle's."""
        return hold_against(self.facts.task, self.expected, found)

    def measure_distances(self, export: LoadedExport) -> float:
        """Measure by how much the export's distances of a few images from the training images differ at most."""
        if export.measure_views is None or self.distances is None:
            return 0.0
        found = export.measure_views(next(read_plain_views(self.facts, self.paths)))
        return float(np.abs(found - self.distances[: len(found)]).max())

    def measure_images(self, answer: Callable[[Images], Probabilities]) -> Parity:
        """Measure how its answers to the whole images lie from the bundle's answers to their plain views."""
        whole = read_in_threads(self.paths, lambda path: np.array(read_image(path, reading=self.facts.reading)))
        found = np.stack([answer(image) for image in whole])
        return hold_against(self.facts.task, self.expected, found)


def build_reference(
    predictor: Predictor, paths: Sequence[str], labels: Sequence[str]
) -> tuple[ReferenceAnswers, list[str]]:
    """Let the bundle, compiled in float32, answer images; returns what it says, and why others cannot be read."""
    facts, readable, failures = predictor.facts, list[int](), list[str]()

    def read_batches() -> Iterator[tuple[int, Images]]:
        held: list[Images] = []
        for place, (view, fault) in enumerate(read_in_threads(paths, lambda path: _try_to_read(facts, path))):
            if view is None:
                failures.append(fault)
                continue
            readable.append(place)
            held.append(view)
            if len(held) == predictor.batch:
                yield place, np.stack(held)
                held = []
        if held:
            yield len(paths), np.stack(held)

    answers = [outputs for _, outputs in sorted(predictor.forward.run(read_batches()), key=lambda one: one[0])]
    if not readable:
        return ReferenceAnswers(facts, (), (), np.zeros((0, facts.task.outputs), np.float32)), failures
    shares, distances = np.concatenate([one[PROBABILITIES] for one in answers]), None
    if predictor.familiar is not None:
        distances = predictor.familiar.measure(np.concatenate([one[FROZEN] for one in answers]))
    named = tuple(paths[place] for place in readable), tuple(labels[place] for place in readable)
    return ReferenceAnswers(facts, *named, facts.task.temper(shares, facts.temperature), distances), failures


def read_plain_views(facts: BundleFacts, paths: Sequence[str], together: int = TOGETHER) -> Iterator[Images]:
    """Read the plain views of images, (N, S, S, 3) of so many at a time; raises what `read_image` raises."""
    held: list[NDArray[Any]] = []
    for view in read_in_threads(paths, lambda path: read_plain_view(path, facts.size_px, facts.fit, facts.reading)[0]):
        held.append(view)
        if len(held) == together:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)


def read_in_threads(paths: Sequence[str], read: Callable[[str], Read]) -> Iterator[Read]:
    """Read files in threads, a few ahead, and yield what is read in their order."""
    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        for first in range(0, len(paths), TOGETHER):
            yield from pool.map(read, paths[first : first + TOGETHER])


def find_disagreement(
    reference: ReferenceAnswers, found: Probabilities, parity: Parity, precision: ExportPrecision, distance: float = 0.0
) -> str:
    """Say why an export that takes plain views does not agree with the bundle; "" where it does.

    `distance` is by how much its distances from the training images differ, which go from 0 to 2.
    """
    if precision == "int8":
        return find_loss(reference.facts.task, reference.labels, reference.expected, found)
    allowed = LARGEST_DIFFERENCE[precision]
    if distance > 2 * allowed:
        return f"its distances from the training images differ by up to {distance:.2g}; {2 * allowed:g} is allowed"
    if parity.largest_difference <= allowed:
        return ""
    return (
        f"its probabilities differ from this model's by up to {parity.largest_difference:.2g} on {parity.images:,} "
        f"validation images; {allowed:g} is allowed in {precision}"
    )


def _try_to_read(facts: BundleFacts, path: str) -> tuple[Images | None, str]:
    """Read a plain view (S, S, 3); where it cannot be read, return None and why."""
    try:
        return read_plain_view(path, facts.size_px, facts.fit, facts.reading)[0], ""
    except (ImageFileError, OSError) as error:
        return None, str(error)

"""Predict from a bundle: images in, probabilities out, in order, with constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts, check_bundled, load_facts
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import Found, ImageFileError
from sightx_cli.engine.interface import PROBABILITIES, Forward, Images, choose_batch
from sightx_cli.engine.openvino_forward import OpenVinoForward, measure_graph_shapes, read_graph
from sightx_cli.errors import RunError
from sightx_cli.machine import measure_threads

Pixels = NDArray[np.uint8]

NOT_FINITE = "the model gave no finite probabilities for it"
"""The error of an image for which nothing can be said."""


@dataclass(frozen=True)
class Prediction:
    """One image's outcome: probabilities (C,), or None and why the image could not be read."""

    image: str
    probabilities: NDArray[np.float32] | None
    error: str = ""
    found: Found | None = None
    """What its file held; None where it could not be read."""


@dataclass(frozen=True)
class Predictor:
    """A loaded bundle."""

    facts: BundleFacts
    forward: Forward
    batch: int

    def predict(self, items: Iterable[tuple[str, str]]) -> Iterator[Prediction]:
        """Predict (image, path) pairs, in order; an unreadable image gives its error and never stops the rest.

        Reading runs in threads a few batches ahead of the graph; results wait only for their turn.
        """
        waiting: deque[tuple[int, list[Prediction]]] = deque()
        ready: dict[int, dict[int, NDArray[np.float32]]] = {}

        def batches() -> Iterator[tuple[int, Images]]:
            for number, images in enumerate(self._read_batches(items)):
                waiting.append((number, [prediction for prediction, _ in images]))
                good = {row: pixels for row, (_, pixels) in enumerate(images) if pixels is not None}
                if good:
                    rows_of[number] = list(good)
                    yield number, np.stack(list(good.values()))
                else:
                    ready[number] = {}

        rows_of: dict[int, list[int]] = {}
        for number, outputs in self.forward.run(batches()):
            ready[number] = dict(zip(rows_of.pop(number), outputs[PROBABILITIES], strict=True))
            yield from self._in_turn(waiting, ready)
        yield from self._in_turn(waiting, ready)

    def _in_turn(
        self, waiting: deque[tuple[int, list[Prediction]]], ready: dict[int, dict[int, NDArray[np.float32]]]
    ) -> Iterator[Prediction]:
        while waiting and waiting[0][0] in ready:
            number, images = waiting.popleft()
            probabilities = ready.pop(number)
            for row, image in enumerate(images):
                given = probabilities.get(row)
                finite = given is None or bool(np.isfinite(given).all())
                yield replace(image, probabilities=given) if finite else replace(image, error=NOT_FINITE)

    def _read(self, image: str, path: str) -> tuple[Prediction, Pixels | None]:
        """Read an image as the training did: its outcome so far, and its pixels where it can be read."""
        try:
            pixels, found = read_plain_view(path, self.facts.size_px, self.facts.fit, self.facts.reading)
        except (ImageFileError, OSError) as error:
            return Prediction(image, None, str(error)), None
        return Prediction(image, None, found=found), pixels

    def _read_batches(self, items: Iterable[tuple[str, str]]) -> Iterator[list[tuple[Prediction, Pixels | None]]]:
        """Read images in threads, a few batches ahead; yield them per batch."""
        threads = measure_threads().decoding
        queued: deque[Future[tuple[Prediction, Pixels | None]]] = deque()
        images: list[tuple[Prediction, Pixels | None]] = []
        ahead = self.batch * 2 + threads

        with ThreadPoolExecutor(threads) as pool:
            source = iter(items)
            exhausted = False
            while not exhausted or queued:
                while not exhausted and len(queued) < ahead:
                    item = next(source, None)
                    if item is None:
                        exhausted = True
                        break
                    queued.append(pool.submit(self._read, *item))
                if not queued:
                    break
                images.append(queued.popleft().result())
                if len(images) == self.batch:
                    yield images
                    images = []
        if images:
            yield images


def load_predictor(run: Path, batch: int | None = None) -> Predictor:
    """Load a run's bundle and compile its graph for batches of a size (None: what suits the images' size).

    Only the files that predict are read. Raises RunError when one is missing or damaged, or is not of these facts.
    """
    facts = load_facts(run)
    size = choose_batch(facts.size_px) if batch is None else batch
    if not facts.graph:
        check_bundled(run, facts, runs.BUNDLE_WEIGHTS)
        return Predictor(facts, load_torch_forward(run, facts), size)
    check_bundled(run, facts, runs.BUNDLE_GRAPH, str(Path(runs.BUNDLE_GRAPH).with_suffix(".bin")))
    path = run / runs.BUNDLE / runs.BUNDLE_GRAPH
    try:
        graph = read_graph(path)
        shapes = measure_graph_shapes(graph)
    except RuntimeError as error:
        raise RunError(f"{path}: cannot be read", "fit again, or name another run") from error
    if shapes != (facts.size_px, facts.task.outputs):
        raise RunError(
            f"{run / runs.BUNDLE / runs.BUNDLE_FACTS}: says {facts.size_px} px and {facts.task.outputs} classes, the "
            f"graph beside it has {shapes[0]} px and {shapes[1]}",
            "copy the run again from where it was made, or fit again",
        )
    return Predictor(facts, OpenVinoForward(graph, batch=size), size)


def load_torch_forward(run: Path, facts: BundleFacts) -> Forward:
    """Load the classifier's weights for torch to run: only of networks that OpenVINO cannot convert."""
    from sightx_cli.engine.torch_forward import TorchForward
    from sightx_cli.model.classifier import load_classifier, with_activation

    weights = run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    model = load_classifier(facts.backbone, facts.head, facts.task.outputs, facts.size_px, weights, facts.grey)
    whole = with_activation(model, facts.task.build_activation())
    return TorchForward(whole, [PROBABILITIES], facts.size_px, facts.mean, facts.std)

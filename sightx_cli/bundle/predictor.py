"""Predict from a bundle: images in, probabilities out, in order, with constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.bundle_forward import AUTO, CPU, choose_bundle_device, compile_graph, load_torch_forward
from sightx_cli.bundle.facts import BundleFacts, check_bundled, load_facts
from sightx_cli.bundle.familiar_file import load_familiar
from sightx_cli.bundle.familiarity import FamiliarImages
from sightx_cli.bundle.judgement import judge
from sightx_cli.data.reader_processes import LEAST_IMAGES
from sightx_cli.data.readers import Found, Given
from sightx_cli.data.test_views import ReadViews, count_distinct, try_views
from sightx_cli.data.view_reads import HowRead, Item, read_items
from sightx_cli.engine.batch_trial import TRIAL_IMAGES
from sightx_cli.engine.interface import FROZEN, PROBABILITIES, Forward, Images, Outputs
from sightx_cli.errors import RunError, UsageError
from sightx_cli.features.view_processes import choose_readers
from sightx_cli.machine import measure_threads

Pixels = NDArray[np.uint8]

MOST_VIEWS = 64
"""All views of an image are asked about at once, in memory; a mean over more hardly moves (its error falls as 1/√N)."""
NOT_FINITE = "the model gave no finite probabilities for it"
"""The error of an image for which nothing can be said."""


@dataclass(frozen=True)
class Prediction:
    """One image's outcome: probabilities (C,), or None and why the image could not be read."""

    image: str
    probabilities: NDArray[np.float32] | None
    error: str = ""
    hint: str = ""
    """What to do about the error, where there is something to do."""
    found: Found | None = None
    """What its file held; None where it could not be read."""
    chosen: int | None = None
    """The class that a stored threshold decided for, of two; None where the probabilities alone decide."""
    is_positive: bool | None = None
    """Whether the classes of a stored decision reach its threshold together; None where there is no decision."""
    distance: float | None = None
    """How far it lies from the training images: above the limit of `facts.familiarity` it is unfamiliar."""
    plain: NDArray[np.float32] | None = None
    """The probabilities by the plain view alone, (C,), where the others are the mean of several views."""
    certainty: float | None = None
    """How certain the decision is: what predictions are put in order by (see `judgement.order_by_certainty`)."""
    status: str = ""
    """SURE, UNSURE or UNFAMILIAR; "" where nothing tells."""


@dataclass(frozen=True)
class Predictor:
    """A loaded bundle."""

    facts: BundleFacts
    forward: Forward
    batch: int
    familiar: FamiliarImages | None = None
    """What tells unfamiliar images; None where the facts say that nothing does."""
    views: int = 1
    """The views of each image that its probabilities are the mean of (see `data.test_views`)."""

    def predict(self, items: Iterable[Item]) -> Iterator[Prediction]:
        """Predict (image, path) pairs, or images in memory by a name, in order.

        An unreadable image gives its error and never stops the rest.

        Reading runs in threads a few batches ahead of the graph; results wait only for their turn.
        """
        waiting: deque[tuple[int, list[Prediction]]] = deque()
        ready: dict[int, dict[int, Prediction]] = {}

        def batches() -> Iterator[tuple[int, Images]]:
            for number, images in enumerate(self._read_batches(items)):
                waiting.append((number, [prediction for prediction, _ in images]))
                good = {row: pixels for row, (_, pixels) in enumerate(images) if pixels is not None}
                if good:
                    rows_of[number] = list(good)
                    yield number, np.concatenate(list(good.values()))
                else:
                    ready[number] = {}

        rows_of: dict[int, list[int]] = {}
        for number, outputs in self.forward.run(batches()):
            ready[number] = dict(zip(rows_of.pop(number), self.read_outputs(outputs), strict=True))
            yield from self._in_turn(waiting, ready)
        yield from self._in_turn(waiting, ready)

    def predict_one(self, image: str, given: str | Path | Given) -> Prediction:
        """Predict one image now, in the calling thread."""
        prediction, views = self.read(image, given)
        if views is None:
            return prediction
        ((_, outputs),) = self.forward.run([(0, views)])
        (answer,) = self.read_outputs(outputs)
        return replace(answer, image=image, found=prediction.found)

    def read_outputs(self, outputs: Outputs) -> list[Prediction]:
        """Say what the network's outputs of some images mean, each without its name."""
        of_views = self.facts.task.temper(outputs[PROBABILITIES], self.facts.temperature)
        of_views = of_views.reshape(-1, self.views, of_views.shape[-1])
        probabilities, plain = of_views.mean(axis=1), of_views[:, 0]
        distances = self.familiar.measure(outputs[FROZEN][:: self.views]) if self.familiar else None
        found = judge(self.facts, probabilities, distances)
        finite = np.asarray(np.isfinite(probabilities).all(axis=1))
        return [
            Prediction(
                "",
                probabilities[row],
                chosen=None if found.chosen is None else int(found.chosen[row]),
                is_positive=None if found.positive is None else bool(found.positive[row]),
                distance=None if distances is None else float(distances[row]),
                plain=plain[row] if self.views > 1 else None,
                certainty=float(found.certainty[row]),
                status=status,
            )
            if finite[row]
            else Prediction("", None, NOT_FINITE)
            for row, status in enumerate(found.statuses)
        ]

    def _in_turn(
        self, waiting: deque[tuple[int, list[Prediction]]], ready: dict[int, dict[int, Prediction]]
    ) -> Iterator[Prediction]:
        while waiting and waiting[0][0] in ready:
            number, images = waiting.popleft()
            judged = ready.pop(number)
            for row, image in enumerate(images):
                yield replace(judged[row], image=image.image, found=image.found) if row in judged else image

    def read(self, image: str, given: str | Path | Given) -> tuple[Prediction, Pixels | None]:
        """Read an image as the training did: its outcome so far, and its views (V, S, S, 3) where it can be read."""
        path, data = (given, None) if isinstance(given, (str, Path)) else (image, given)
        return describe_read(image, try_views(path, *self._list_reading(), data))

    def _list_reading(self) -> HowRead:
        facts = self.facts
        profile = facts.borne.build_profile() if self.views > 1 and facts.borne is not None else None
        return facts.size_px, facts.fit, profile, self.views, facts.reading

    def _read_batches(self, items: Iterable[Item]) -> Iterator[list[tuple[Prediction, Pixels | None]]]:
        """Read images a few batches ahead, in threads, or for a device in processes; yield them per batch."""
        together, readers = max(self.batch // self.views, 1), choose_readers(self.forward, LEAST_IMAGES)
        images: list[tuple[Prediction, Pixels | None]] = []
        ahead = together * 2 + measure_threads().decoding - 1
        for image, read in read_items(items, self._list_reading(), ahead, readers):
            images.append(describe_read(image, read))
            if len(images) == together:
                yield images
                images = []
        if images:
            yield images


def describe_read(image: str, read: ReadViews) -> tuple[Prediction, Pixels | None]:
    """Return an image's outcome so far, and its views where it could be read."""
    return Prediction(image, None, read.error, read.hint, read.found), read.views


def count_views(facts: BundleFacts, wished: int) -> int:
    """Return how many views of each image a prediction is averaged over: those wished for, or as many as differ.

    Raises UsageError for too few or too many, and where no change is known to leave the labels alone.
    """
    if not 1 <= wished <= MOST_VIEWS:
        raise UsageError(f"--tta {wished}: allowed are 1, the plain view, to {MOST_VIEWS}", "--tta 4")
    if wished == 1:
        return 1
    if facts.borne is None:
        raise UsageError(
            f"--tta {wished}: which changes leave the labels alone was not measured when this model was trained",
            "leave --tta out, or fit again with a profile of your own: --profile NAME",
        )
    distinct = count_distinct(facts.borne.build_profile())
    if distinct == 1:
        raise UsageError(
            f"--tta {wished}: no change leaves the labels of these images alone, so that there is only one view",
            "leave --tta out",
        )
    return min(wished, distinct)


def load_predictor(
    run: Path,
    batch: int | None = None,
    views: int = 1,
    images: int = 0,
    streams: int | None = None,
    is_whole: bool = False,
    device: str = CPU,
) -> Predictor:
    """Load a run's bundle and compile its graph for batches of a size (None: what suits the images' size).

    `images` is how many it is to predict: with many, the batch is tried first, and remembered for this machine. With
    `views` a prediction is the mean over so many views of its image (see `count_views`). `streams` is how many batches
    share the threads: with 1 a single image is answered soonest. `device` is where torch runs it, in float32 too (the
    probabilities agree within `bundle_forward.DEVICE_TOLERANCE`); on the CPU it is the graph, which needs no torch.

    Only the files that predict are read, and checked, unless `is_whole` asks that all be there as the fit wrote them.
    Raises RunError when one is missing or damaged, or is not of these facts.
    """
    device = choose_bundle_device(device, images)
    if device != CPU:
        facts = load_facts(run)
        return load_torch_predictor(run, facts, count_views(facts, views), device, batch, is_whole)
    path = run / runs.BUNDLE / runs.BUNDLE_GRAPH
    is_settled = views == 1 and (batch is not None or images < TRIAL_IMAGES)  # nothing else of the facts, no trial
    with ThreadPoolExecutor(1) as pool:
        # Compiling takes as long as reading the facts with what checks them, and needs no Python.
        begun = pool.submit(compile_graph, path, batch, images, 1, streams) if is_settled else None
        facts = load_facts(run)
        views = count_views(facts, views)
        if not facts.graph:
            return load_torch_predictor(run, facts, views, CPU, batch, is_whole)
        read = runs.BUNDLE_GRAPH, str(Path(runs.BUNDLE_GRAPH).with_suffix(".bin"))
        check_bundled(run, facts, *({*facts.files, *read} if is_whole else read))
        forward, shapes = begun.result() if begun is not None else compile_graph(path, batch, images, views, streams)
    if shapes != (facts.size_px, facts.task.outputs):
        raise RunError(
            f"{run / runs.BUNDLE / runs.BUNDLE_FACTS}: says {facts.size_px} px and {facts.task.outputs} classes, the "
            f"graph beside it has {shapes[0]} px and {shapes[1]}",
            "copy the run again from where it was made, or fit again",
        )
    return Predictor(facts, forward, forward.batch_images, load_familiar(run, facts), views)


def load_torch_predictor(
    run: Path, facts: BundleFacts, views: int, device: str, batch: int | None = None, is_whole: bool = False
) -> Predictor:
    """Load a run's bundle for torch to run on a device (see `load_predictor`)."""
    check_bundled(run, facts, *(facts.files if is_whole else (runs.BUNDLE_WEIGHTS,)))
    forward = load_torch_forward(run, facts, device, batch)
    return Predictor(facts, forward, max(forward.batch_images, views), load_familiar(run, facts), views)


def suit_images(predictor: Predictor, run: Path, images: int, device: str, batch: int | None = None) -> Predictor:
    """Return a predictor on the device that suits so many images, where that was not known when it was loaded."""
    settled = choose_bundle_device(device, images) if device == AUTO else CPU
    if settled == CPU:
        return predictor
    return load_torch_predictor(run, predictor.facts, predictor.views, settled, batch)

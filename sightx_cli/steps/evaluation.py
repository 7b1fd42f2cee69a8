"""Check the finished model: the figures of the valid and test parts are those of what `sightx predict` gives.

The epochs were judged in float32, as the bundle computes, so the best epoch's answers are the finished model's. To
check that, the bundle is run on some of the images and on each borderline one: the starred figure is that of the
finished model, to the image, or a warning says how they differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts, write_facts
from sightx_cli.bundle.predictor import Predictor, load_predictor
from sightx_cli.bundle.product import write_headed_graph, write_probabilities_graph, write_weights
from sightx_cli.progress import Listener
from sightx_cli.results.fit import Figures, Intervals
from sightx_cli.steps.preparation import Preparation
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.train.state import Session

CHECKED_IMAGES = 64
"""On this many images of a larger valid part the bundle must answer as the best epoch did."""

SAME = 1e-3
"""How far two probabilities of one answer may lie apart: 1e-5 is seen between two forms of one network in float32."""


@dataclass(frozen=True)
class Measured:
    """The figures of one part by the final model."""

    figures: Figures
    intervals: Intervals
    classes: dict[str, Any]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    predicted_by_bundle: int
    """For how many of the images the bundle itself was run."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures, their intervals and those of each class."""
        counts = {"images": len(self.targets), "predicted_by_bundle": self.predicted_by_bundle}
        return {"metrics": self.figures, "intervals": dict(self.intervals), **counts, **self.classes}


@dataclass(frozen=True)
class Proof:
    """The figures of the valid part, and of the test part where there is one."""

    valid: Measured
    test: Measured | None


def prove(preparation: Preparation, session: Session, bundle: Path, listener: Listener) -> Proof:
    """Write the bundle and measure it on the valid part and, once, on the test part."""
    write_bundle(preparation, session, bundle, listener)
    predictor = load_predictor(bundle.parent)
    valid = measure_valid(predictor, preparation, session, listener)
    has_test = len(preparation.part("test")) > 0
    return Proof(valid, measure_part(predictor, preparation, "test", listener) if has_test else None)


def write_bundle(preparation: Preparation, session: Session, folder: Path, listener: Listener) -> None:
    """Write the bundle's files: facts, weights, and the compiled form of the whole classifier."""
    folder.mkdir(parents=True)
    recipe = preparation.recipe
    facts = BundleFacts(
        task=session.task,
        size_px=recipe.image.size_px,
        fit=recipe.image.fit,
        mean=tuple(session.weights.mean),
        std=tuple(session.weights.std),
        backbone=recipe.model.backbone,
        head=recipe.model.head.model_dump(),
        recipe=recipe.name,
        grey=recipe.model.grey,
    )
    write_weights(session.model, folder / runs.BUNDLE_WEIGHTS)
    graph, kept = folder / runs.BUNDLE_GRAPH, session.kept
    features = kept.graph if kept and not session.best.backbone_trained and not facts.head["hidden"] else None
    if features is None or not write_headed_graph(features, session.head, facts.task, graph):
        reason = write_probabilities_graph(session.model, facts.task, facts.size_px, facts.mean, facts.std, graph)
        if reason:
            listener.warn(f"OpenVINO cannot convert this network ({reason}): predict runs it with torch, slower")
            facts = replace(facts, graph=False)
    write_facts(folder, facts)


def measure_valid(predictor: Predictor, preparation: Preparation, session: Session, listener: Listener) -> Measured:
    """Measure the valid part by the best epoch's answers, once the bundle gives the same for some of it.

    The bundle is run on images spread over the part, and on each that rounding could give another label: so the labels
    counted are the bundle's, to the image. Of a small part, or where it answers otherwise, it is run on all.
    """
    part, judged = preparation.part("valid"), session.best.probabilities
    if judged is None or len(part) <= CHECKED_IMAGES:
        measured = measure_part(predictor, preparation, "valid", listener)
        if judged is not None:
            say_differences(session.task, judged, measured.probabilities, part, listener)
        return measured
    task = predictor.facts.task
    spread = np.linspace(0, len(part) - 1, CHECKED_IMAGES).astype(np.int64)
    rows = np.union1d(spread, np.flatnonzero(task.measure_margins(judged) <= SAME))
    bundled = predict_rows(predictor, part.iloc[rows], "checking the finished model", listener)
    if np.abs(bundled - judged[rows]).max() > SAME:
        measured = measure_part(predictor, preparation, "valid", listener)
        say_differences(session.task, judged, measured.probabilities, part, listener)
        return measured
    probabilities = judged.copy()
    probabilities[rows] = bundled
    say_differences(task, judged, probabilities, part, listener)
    return measure_probabilities(task, probabilities, task.number(part["label"].tolist()), len(rows))


def say_differences(
    task: Task, judged: NDArray[np.float32], finished: NDArray[np.float32], part: pd.DataFrame, listener: Listener
) -> None:
    """Warn where the finished model gives images another label than its best epoch did, and name the first."""
    others = np.flatnonzero(task.differ(judged, finished))
    if len(others):
        listener.warn(
            f"the finished model labels {len(others)} of the {len(part):,} validation images differently from its best "
            f"epoch, {part['image'].iloc[others[0]]} first; the figures are those of the finished model"
        )


def measure_part(predictor: Predictor, preparation: Preparation, split: str, listener: Listener) -> Measured:
    """Predict a part from the bundle, as `sightx predict` would, and measure it."""
    part = preparation.part(split)
    task = predictor.facts.task
    probabilities = predict_rows(predictor, part, f"measuring the {split} part", listener)
    return measure_probabilities(task, probabilities, task.number(part["label"].tolist()), len(part))


def measure_probabilities(
    task: Task, probabilities: NDArray[np.float32], targets: NDArray[np.int64], bundled: int
) -> Measured:
    """Measure figures, intervals and classes of probabilities (N, C), `bundled` of them the bundle's own."""
    return Measured(
        task.measure_figures(probabilities, targets),
        task.measure_intervals(probabilities, targets),
        task.measure_classes(probabilities, targets),
        targets,
        probabilities,
        bundled,
    )


def predict_rows(predictor: Predictor, part: pd.DataFrame, work: str, listener: Listener) -> NDArray[np.float32]:
    """Return the probabilities (N, C) of a part's images, all of which were read before."""
    listener.start(work, len(part), "images")
    rows = []
    for prediction in predictor.predict(zip(part["image"], part["path"], strict=True)):
        if prediction.probabilities is None:
            raise OSError(f"{prediction.image}: was readable before and no longer is: {prediction.error}")
        rows.append(prediction.probabilities)
        listener.advance(work)
    listener.finish(work)
    return np.stack(rows)

"""Check the finished model: the figures of the valid and test parts are those of what `sightx predict` gives.

The epochs were judged in float32, as the bundle computes, so the best epoch's answers are the finished model's. To
check that, the bundle is run on some of the images and on each borderline one: the starred figure is that of the
finished model, to the image, or a warning says how they differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.exporters import BUNDLED
from sightx_cli.bundle.facts import Borne, BundleFacts, write_facts
from sightx_cli.bundle.parity import SAME, Parity, hold_against
from sightx_cli.bundle.predictor import Predictor, load_predictor
from sightx_cli.bundle.product import Product
from sightx_cli.evaluation.kept_predictions import write_predictions
from sightx_cli.evaluation.part_figures import measure_part
from sightx_cli.progress import Listener, reporting
from sightx_cli.results.calibration import Abstention
from sightx_cli.results.fit import PartFigures
from sightx_cli.steps.abstention import count_frozen_stages, fit_familiarity, write_familiarity
from sightx_cli.steps.calibration import Settled, settle_decisions
from sightx_cli.steps.preparation import Preparation

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.steps.crossvalidation import Validated
    from sightx_cli.train.state import Session

CHECKED_IMAGES = 64
"""On this many images of a larger valid part the bundle must answer as the best epoch did."""

MEASURING = "measuring the valid part"
"""The work as the user sees it."""


@dataclass(frozen=True)
class Proof:
    """What the finished model does on the parts held out, and what was fitted to its probabilities."""

    valid: PartFigures
    test: PartFigures | None
    settled: Settled


def prove(
    preparation: Preparation, session: Session, validated: Validated | None, bundle: Path, listener: Listener
) -> Proof:
    """Write the bundle and measure it on the valid part and, once, on the test part where there is one."""
    settled = settle_decisions(preparation, session, validated, listener)
    session.task = settled.task
    with reporting(listener, "writing the model"):
        abstention = write_bundle(preparation, session, bundle, listener, settled)
        settled = replace(settled, abstention=abstention)
        predictor = load_predictor(bundle.parent)
    valid, test = preparation.part("valid"), preparation.part("test")
    probabilities, bundled = answer_valid(predictor, valid, settled.judged, listener)
    of_valid = measure_part(session.task, valid, probabilities, bundled, draws=True)
    kept = bundle.parent / runs.PREDICTIONS
    write_predictions(kept / "valid.csv", valid, probabilities, session.task)
    if not len(test):
        return Proof(of_valid, None, settled)
    answers = predict_rows(predictor, test, "measuring the test part", listener)
    write_predictions(kept / "test.csv", test, answers, session.task)
    return Proof(of_valid, measure_part(session.task, test, answers, len(test), draws=True), settled)


def write_bundle(
    preparation: Preparation, session: Session, folder: Path, listener: Listener, settled: Settled | None = None
) -> Abstention | None:
    """Write the bundle's files: facts, weights, the compiled form of the whole classifier, familiar images.

    Returns what tells unsure and unfamiliar images.
    """
    folder.mkdir(parents=True)
    settled = settled or Settled(session.task)
    stages = count_frozen_stages(session)
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
        reading=preparation.reading,
        thresholds=session.task.list_thresholds(),
        pretrained=None if session.best.backbone_trained else session.weights.digest,
        temperature=settled.temperature,
        sets=settled.sets,
        borne=find_borne(preparation),
    )
    kept, reads_kept = session.kept, not session.best.backbone_trained and not recipe.model.head.hidden
    graph = kept.graph if kept and reads_kept else None
    product = Product(session.model, facts, graph, stages)
    for exporter in BUNDLED:
        why_not = exporter.write(product, folder)
        if why_not:
            listener.warn(f"{why_not}: predict runs it with torch, slower")
    found = fit_familiarity(preparation, session, stages, folder / runs.BUNDLE_GRAPH, listener)
    size = write_familiarity(found, folder) if found else 0
    is_converted = (folder / runs.BUNDLE_GRAPH).is_file()
    write_facts(folder, replace(facts, graph=is_converted, familiarity=found.facts if found else None))
    if found is None or settled.abstention is None:
        return settled.abstention
    vectors, unfamiliar = found.facts.vectors, found.unfamiliar
    return replace(settled.abstention, familiar_images=vectors, familiar_bytes=size, unfamiliar=unfamiliar)


def find_borne(preparation: Preparation) -> Borne | None:
    """Return which changes leave the labels alone: as measured, or as the user said; None where neither tells."""
    image, values = preparation.recipe.image, preparation.plan.values
    told = {values[key].origin for key in ("image.off", "image.profile") if key in values}
    if preparation.earlier is not None and "option" not in told:
        return preparation.earlier.facts.borne
    return Borne(image.profile, image.off or ()) if told & {"probe", "option"} else None


def answer_valid(
    predictor: Predictor, part: pd.DataFrame, judged: NDArray[np.float32] | None, listener: Listener
) -> tuple[NDArray[np.float32], int]:
    """Return the finished model's probabilities (N, C) of the valid part, and of how many images the bundle gave them.

    They are the best epoch's (`judged`), once the bundle gives the same for some: for images spread over the part, and
    for each that rounding could give another label. So the labels counted are the bundle's, to the image. Of a small
    part, or where it answers otherwise, it is run on all.
    """
    task, rows = predictor.facts.task, np.arange(len(part))
    if judged is None:
        return predict_rows(predictor, part, MEASURING, listener), len(part)
    work = MEASURING
    if len(part) > CHECKED_IMAGES:
        spread = np.linspace(0, len(part) - 1, CHECKED_IMAGES).astype(np.int64)
        rows = np.union1d(spread, np.flatnonzero(task.measure_margins(judged) <= SAME))
        work = "checking the finished model"
    bundled = predict_rows(predictor, part.iloc[rows], work, listener)
    if len(rows) < len(part) and not hold_against(task, judged[rows], bundled).holds:
        rows, bundled = np.arange(len(part)), predict_rows(predictor, part, MEASURING, listener)
    probabilities = judged.copy()
    probabilities[rows] = bundled
    say_differences(hold_against(task, judged, probabilities), part, listener)
    return probabilities, len(rows)


def say_differences(parity: Parity, part: pd.DataFrame, listener: Listener) -> None:
    """Warn where the finished model gives images another label than its best epoch did, and name the first."""
    if parity.changed:
        listener.warn(
            f"the finished model labels {len(parity.changed)} of the {len(part):,} validation images differently from "
            f"its best epoch, {part['image'].iloc[parity.changed[0]]} first; the figures are those of the finished "
            "model"
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

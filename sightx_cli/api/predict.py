"""`predict`: label images with a run's bundle, into a table. Never imports torch."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.bundle.table import Begun, build_row, check_output, describe_kept, list_columns, writing_table
from sightx_cli.data.sources import list_unlabelled
from sightx_cli.errors import UsageError
from sightx_cli.progress import Listener, Silent
from sightx_cli.results.predict import PredictResult
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.task.task import Task

__all__ = ["describe_kept", "predict"]

TASK = "predicting"


@keeping_random_state()
def predict(
    sources: str | Path | Sequence[str | Path],
    *,
    model: str | Path | None = None,
    output: Path = Path("predictions.csv"),
    batch: int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener | None = None,
) -> PredictResult:
    """Predict folders (recursive), files or tables of images with a run, the newest by default.

    The table at `output` is CSV, Parquet or JSON lines by its name, and appears whole. Rows are in the order of the
    sources; an unreadable image has its row, with the reason in `error`. With `resume` an interrupted prediction of
    the same images goes on where it stopped; without, one that is there is refused, unless `overwrite` lets it be
    replaced. `batch` images go through the network at once, by default as many as suit
    their size. Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    output = Path(output)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}: at least 1", "--batch 16")
    check_output(output, overwrite, resume)
    run = runs.find_run(model)
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    images = list_unlabelled(given)
    predictor = load_predictor(run, 1 if len(images) == 1 else batch)
    task = predictor.facts.task
    counts, unreadable = dict.fromkeys(task.classes, 0), 0
    listener.start(TASK, len(images), "images")
    begun = Begun(identify(images, predictor.facts), len(images))
    with writing_table(output, list_columns(task), begun, resume) as table:
        for row in table.done_rows():
            unreadable += _count(row, task, counts)
            listener.advance(TASK)
        clock = time.perf_counter()
        for prediction in predictor.predict(images[table.resumed :]):
            row = build_row(prediction, task)
            table.write(row)
            unreadable += _count(row, task, counts)
            listener.advance(TASK)
    listener.finish(TASK)
    working = time.perf_counter() - clock
    return PredictResult(
        images=len(images),
        unreadable=unreadable,
        output=output,
        run=run,
        seconds={"predict": round(working, 3), "total": round(time.perf_counter() - began, 3)},
        images_per_second=round((len(images) - table.resumed) / max(working, 1e-9), 1),
        counts=counts,
    )


def identify(images: Sequence[tuple[str, str]], facts: BundleFacts) -> str:
    """Return what must be the same for a prediction to go on: the images in their order, and the model."""
    digest = hashlib.sha256(json.dumps(facts.to_json(), sort_keys=True).encode())
    for image, path in images:
        digest.update(f"{image}\0{path}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _count(row: Mapping[str, Any], task: Task, counts: dict[str, int]) -> int:
    """Count the classes that a row names; returns 1 where its image could not be read, else 0."""
    if row["error"]:
        return 1
    for name in task.split_prediction(row[task.columns[0]]):
        counts[name] += 1
    return 0

"""`predict`: label images with a run's bundle, into a table. Never imports torch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.bundle.table import build_row, check_output, writing_table
from sightx_cli.data.sources import list_unlabelled
from sightx_cli.errors import UsageError
from sightx_cli.progress import Listener, Silent
from sightx_cli.results.predict import PredictResult
from sightx_cli.steps.random_state import keeping_random_state

TASK = "predicting"


@keeping_random_state()
def predict(
    sources: str | Path | Sequence[str | Path],
    *,
    model: Path | None = None,
    output: Path = Path("predictions.csv"),
    batch: int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener | None = None,
) -> PredictResult:
    """Predict folders (recursive), files or tables of images with a run, the newest by default.

    The table at `output` is CSV, Parquet or JSON lines by its name, and appears whole. Rows are in the order of the
    sources; an unreadable image has its row, with the reason in `error`. With `resume` an interrupted prediction of
    the same images goes on where it stopped. `batch` images go through the network at once, by default as many as suit
    their size. Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    output = Path(output)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}: at least 1", "--batch 16")
    check_output(output, overwrite)
    run = runs.find_run(model)
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    images = list_unlabelled(given)
    predictor = load_predictor(run, 1 if len(images) == 1 else batch)
    classes = predictor.facts.classes
    counts, unreadable = dict.fromkeys(classes, 0), 0
    listener.start(TASK, len(images), "images")
    with writing_table(output, classes, identify(images, run), resume) as table:
        for row in table.done_rows():
            counts, unreadable = _count(row["label"], counts, unreadable)
            listener.advance(TASK)
        clock = time.perf_counter()
        for prediction in predictor.predict(images[table.resumed :]):
            row = build_row(prediction, classes)
            table.write(row)
            counts, unreadable = _count(row["label"], counts, unreadable)
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


def identify(images: Sequence[tuple[str, str]], run: Path) -> str:
    """Return what must be the same for a prediction to go on: the images in their order, and the model."""
    weights = run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    digest = hashlib.sha256(f"{run}\n{weights.stat().st_mtime_ns}\n".encode())
    for image, path in images:
        digest.update(f"{image}\0{path}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _count(label: str, counts: dict[str, int], unreadable: int) -> tuple[dict[str, int], int]:
    if not label:
        return counts, unreadable + 1
    counts[label] += 1
    return counts, unreadable

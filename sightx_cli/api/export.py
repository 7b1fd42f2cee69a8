"""`export`: write a run's model in other formats, each held against the model before anyone gets it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.export_check import MOST_IMAGES, ReferenceAnswers, build_reference
from sightx_cli.bundle.export_folder import (
    check_exporters,
    check_precision,
    choose_export_folder,
    choose_exporters,
    write_export,
)
from sightx_cli.bundle.exporter import FinishedModel
from sightx_cli.bundle.facts import check_bundled
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.errors import DataError, RunError, UsageError, quote
from sightx_cli.evaluation.kept_images import KeptImages, find_kept_images, read_source
from sightx_cli.evaluation.training_views import draw_training_views
from sightx_cli.progress import Listener, Notice, Relay, Silent, reporting
from sightx_cli.report.hidden_folder import making_folder
from sightx_cli.results.export import ALL, ExportResult
from sightx_cli.steps.random_state import keeping_random_state

PART = "valid"
"""The part that exports are held against: the model never learned from it."""


@keeping_random_state()
def export(
    run: str | Path | None = None,
    *,
    format: str = "onnx",
    precision: str = "float32",
    output: Path | None = None,
    data: str | Path | None = None,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> ExportResult:
    """Write a run's model, the newest run's by default, in a format, or in all of them.

    Each format has a folder of its name in `output` (by default `export/` in the run), which appears whole or not at
    all: the model files, `contract.json` that says exactly what goes in and what comes out, and `export.json` with how
    it was checked. Every export is opened in its own runtime and held against the model computed in float32, on the
    images of the run's valid part, up to 500; one that answers otherwise is refused. `data` is where those images lie
    now, if they moved. Raises SightXError for anything wrong in the input, and for an export that does not agree.
    """
    began = time.perf_counter()
    heard = Relay(listener or Silent())
    folder = runs.find_run(run)
    kept_in = check_precision(precision)
    chosen = choose_exporters(format, kept_in, heard)
    check_exporters(chosen, kept_in)
    within = folder / runs.EXPORT if output is None else Path(output).absolute()
    places = {one.name: choose_export_folder(within, one.name, precision, overwrite) for one in chosen}
    predictor = load_predictor(folder)
    check_bundled(folder, predictor.facts, *predictor.facts.files)
    kept = _find_images(folder, data)
    with reporting(heard, "asking the model itself"):
        reference, failures = build_reference(predictor, kept.paths, kept.labels)
    _say_images(reference, kept, failures, folder, heard)
    model = FinishedModel(folder, predictor.facts, partial(draw_training_views, folder, predictor.facts, data))
    written, refused, is_new = [], [], not within.exists()
    for one in chosen:
        try:
            with (
                leaving_nothing_empty(within, is_new),
                reporting(heard, f"writing and checking {one.name}"),
                making_folder(places[one.name], overwrite) as making,
            ):
                found = write_export(one, model, reference, making.partial, kept_in, heard)
            written.append(found.move(making.folder))
        except RunError as error:
            if format != ALL:
                raise
            refused.append(error)
            heard.notice(Notice("export-refused", error.message, 1, warns=True))
    if not written:
        raise refused[0]
    seconds = {"total": round(time.perf_counter() - began, 3)}
    return ExportResult(format, precision, tuple(written), folder, seconds, tuple(heard.notices))


@contextmanager
def leaving_nothing_empty(folder: Path, is_new: bool) -> Iterator[None]:
    """Remove a folder that is new and still empty when the block ends."""
    try:
        yield
    finally:
        if is_new:
            with suppress(OSError):  # it holds something, or was not made
                folder.rmdir()


def _find_images(run: Path, data: str | Path | None) -> KeptImages:
    """Find the images of the valid part; raises UsageError where none is there, with what to type."""
    kept = find_kept_images(run, PART, MOST_IMAGES, data)
    if kept.paths:
        return kept
    place = data if data is not None else read_source(run)[0]
    raise UsageError(
        f"none of this run's {kept.part:,} validation images lies in {place} as the fit read it, and an export is held "
        "against the model on them",
        f"say where they are: sightx export {quote(run)} --data FOLDER",
    )


def _say_images(reference: ReferenceAnswers, kept: KeptImages, failures: list[str], run: Path, heard: Relay) -> None:
    """Say how many images there are to check on, where they are not all; raises DataError where there are none."""
    if not reference.paths:
        raise DataError(
            f"none of this run's validation images can be read: {failures[0]}",
            f"say where others of them are: sightx export {quote(run)} --data FOLDER",
        )
    missing = kept.wanted - len(reference.paths)
    if missing:
        text = (
            f"{missing:,} of the {kept.wanted:,} validation images to check on are gone or changed: the export is "
            f"checked on {len(reference.paths):,} (--data FOLDER says where they are now)"
        )
        heard.notice(Notice("export-images", text, missing, warns=True))
    elif kept.wanted < kept.part:
        text = f"checked on {kept.wanted:,} of the {kept.part:,} validation images, spread over them"
        heard.notice(Notice("export-images", text, kept.wanted))

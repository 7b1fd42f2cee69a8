"""`predict`: label images with a run's bundle, into a table. On the CPU it never imports torch."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.bundle_forward import AUTO
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
from sightx_cli.bundle.model_remarks import find_strangeness, find_untold, read_figure
from sightx_cli.bundle.partitions import describe_partitions
from sightx_cli.bundle.predicted_rows import Draw, RowCounts, predict_asked
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.bundle.table import Begun, check_output, describe_kept, plan_columns, writing_table
from sightx_cli.cluster.ray_cluster import check_address
from sightx_cli.data.layout import Layout
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.data.queries import Query, build_query
from sightx_cli.errors import DataError, UsageError
from sightx_cli.progress import Listener, Notice, Silent
from sightx_cli.report.annotations import find_format
from sightx_cli.report.annotations.annotation_folder import choose_annotation_folder, placing_annotations
from sightx_cli.report.annotations.interface import AnnotationFormat
from sightx_cli.report.heatmap_folder import HeatmapFolder, choose_heatmap_folder, has_heatmaps
from sightx_cli.results.predict import PredictResult
from sightx_cli.steps.random_state import keeping_random_state

__all__ = ["check_read", "describe_left", "predict"]

TASK = "predicting"


@keeping_random_state()
def predict(
    sources: str | Path | Sequence[str | Path],
    *,
    model: str | Path | None = None,
    output: Path = Path("predictions.csv"),
    batch: int | None = None,
    image_column: str | None = None,
    images: Path | None = None,
    heatmaps: Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    abstain: bool = False,
    tta: int | None = None,
    device: str = AUTO,
    into: str | None = None,
    into_folder: Path | None = None,
    on: str | None = None,
    address: str | None = None,
    listener: Listener | None = None,
) -> PredictResult:
    """Predict folders (recursive), files or tables of images with a run, the newest by default.

    The table at `output` is CSV, Parquet or JSON lines by its name, and appears whole. Rows are in the order of the
    sources; a table of the user's gives one row for each of its own, in their order, with its columns: that of the
    images is found, or named by `image_column`, and their relative names are looked up in the folder `images`, or in
    the table's own. An unreadable image has its row, with the reason in `error`. The column `status` says whether a
    prediction is sure, unsure, or of an image unlike those learned from; with `abstain` the last two have none. With
    `resume` an interrupted prediction of the same images goes on where it stopped, and a complete one stays as it is;
    without, one that is there is refused, unless `overwrite` lets it be replaced. With `heatmaps`, a folder, it is
    drawn there where each prediction comes from (see `explain`). `batch` images go through the network at once, by
    default as many as suit their size.
    With `tta` a prediction is the mean over so many views of its image, changed as leaves the labels alone.
    `device` is auto (a GPU where there is one and the images are many), cpu, cuda or mps.
    With `into`, the name of a format of `report.annotations`, the predictions are written for that tool as well, to
    `into_folder` or beside the table, which appears whole too.
    With `on="ray"` the workers of a Ray cluster predict, that at `address` or one on this machine; `output` may then be
    a folder, for partitions and a manifest.
    Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    output = Path(output)
    check_address(on, address)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}: at least 1", "--batch 16")
    layout = Layout(image_column=image_column, images=None if images is None else Path(images))
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if resume and not overwrite and heatmaps is None and into is None:
        from sightx_cli.steps.complete_prediction import is_complete, recall_prediction

        if is_complete(output, on is not None):
            return recall_prediction(given, layout, runs.find_run(model), output, abstain, listener)
    if on is not None:
        from sightx_cli.steps.cluster_prediction import ClusterWish, check_cluster_output, predict_on_cluster

        refuse_here({"--heatmaps": heatmaps, "--into": into, "--into-folder": into_folder})
        check_cluster_output(output, overwrite, resume)
        wish = ClusterWish(runs.find_run(model), output, address, batch, tta or 1, abstain, overwrite, resume, device)
        return predict_on_cluster(given, layout, wish, listener)
    check_output(output, overwrite, resume)
    annotation_format, into_folder = choose_annotations(into, into_folder, output, overwrite, heatmaps)
    if heatmaps is not None:
        heatmaps = choose_heatmap_folder("--heatmaps", Path(heatmaps), overwrite, resume)
    run = runs.find_run(model)
    query = build_query(given, layout)
    for notice in query.notices:
        listener.notice(notice)
    predictor = load_predictor(run, 1 if len(query.rows) == 1 else batch, tta or 1, len(query.rows), device=device)
    task = predictor.facts.task
    untold = find_untold(predictor.facts)
    for notice in untold:
        listener.notice(notice)
    counts = RowCounts.of(task)
    listener.start(TASK, len(query.rows), "images")
    columns = plan_columns(task, query.columns, predictor.facts.decision, query.types)
    begun = Begun(identify(query, predictor.facts, abstain, predictor.views), len(query.rows))
    placing = placing_annotations(annotation_format, into_folder, query, predictor.facts, run, overwrite)
    with placing as annotations, writing_table(output, columns, begun, resume) as table:
        clock = time.perf_counter()
        tally = PixelTally(predictor.facts.reading)
        draw = None if heatmaps is None else prepare_heatmaps(heatmaps, run, len(query.rows), table.resumed, listener)
        predicted = predict_asked(query.rows, predictor, table, tally, draw, abstain)
        for asked, row in zip(query.rows, predicted, strict=True):
            counts.add(row, task)
            if annotations is not None:
                annotations.add(asked, row)
            listener.advance(TASK)
        listener.finish(TASK)
        left_out = annotations.write(listener) if annotations is not None else []
    strange = find_strangeness(counts.rows - counts.unreadable, counts.statuses[UNFAMILIAR], run)
    noticed = (*tally.list_notices(can_change=False), *left_out, *strange)
    for notice in noticed:
        listener.notice(notice)
    working = time.perf_counter() - clock
    return PredictResult(
        images=len(query.rows),
        files=query.count_files(),
        unreadable=counts.unreadable,
        unsure=counts.statuses[UNSURE],
        unfamiliar=counts.statuses[UNFAMILIAR],
        abstained=abstain,
        decision=None if predictor.facts.decision is None else asdict(predictor.facts.decision),
        output=output,
        heatmaps=heatmaps,
        annotations=into_folder,
        run=run,
        figure=read_figure(run, task, listener),
        seconds={"predict": round(working, 3), "total": round(time.perf_counter() - began, 3)},
        images_per_second=round((len(query.rows) - table.resumed) / max(working, 1e-9), 1),
        counts=counts.classes,
        notices=(*query.notices, *untold, *noticed),
    )


def choose_annotations(
    into: str | None, folder: Path | None, output: Path, overwrite: bool, heatmaps: Path | None
) -> tuple[AnnotationFormat | None, Path | None]:
    """Return the format of the annotations asked for, and their folder, before any work; None where there are none."""
    if into is None:
        if folder is not None:
            raise UsageError(f"--into-folder {folder}: is for --into", "add --into labelme")
        return None, None
    annotation_format = find_format(into)
    folder = None if folder is None else Path(folder)
    others = [] if heatmaps is None else [Path(heatmaps)]
    return annotation_format, choose_annotation_folder(annotation_format, folder, output, overwrite, others)


def describe_left(output: Path) -> str:
    """Say how much is kept of an interrupted prediction, such as "13 of 18 rows"; "" where there is none."""
    return describe_partitions(output) or describe_kept(output)


def check_read(result: PredictResult) -> None:
    """Raise DataError where no image at all could be read: a script that looks at the exit status alone must hear it.

    The table stands all the same, with the reason in each row.
    """
    if result.images and result.unreadable == result.images:
        one = "the image" if result.images == 1 else f"none of the {result.images:,} images"
        raise DataError(
            f"{one} could {'not ' * (result.images == 1)}be read: see the column error in {result.output}",
            "check that these are image files and that you may read them",
        )


def refuse_here(options: Mapping[str, object]) -> None:
    """Raise UsageError for an option that a prediction on a cluster does not take."""
    for flag, value in options.items():
        if value is not None:
            raise UsageError(f"{flag} {value}: does not go with --on ray", f"leave {flag} out")


def prepare_heatmaps(folder: Path, run: Path, images: int, resumed: int, listener: Listener) -> Draw:
    """Prepare a folder for heatmaps by a run: torch is loaded, which a prediction alone does not need.

    Where `resumed` rows were predicted before without heatmaps, that is said.
    """
    from sightx_cli.bundle.explainer import load_explainer

    explainer = load_explainer(run)
    if resumed and not has_heatmaps(folder):
        text = f"rows predicted before, which have no heatmap: {resumed:,} (the command explain draws those)"
        listener.notice(Notice("heatmaps", text, resumed, warns=True))
    return HeatmapFolder(folder, explainer, images, resumed > 0).draw


def identify(query: Query, facts: BundleFacts, abstains: bool = False, views: int = 1) -> str:
    """Return what must be the same for a prediction to go on: rows in their order, model, `abstains` and `views`."""
    digest = hashlib.sha256(json.dumps([facts.to_json(), query.columns, abstains, views], sort_keys=True).encode())
    for row in query.rows:
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()

"""`predict --on ray`: the rows asked for, predicted in partitions by the workers of a Ray cluster."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sightx_cli.bundle.facts import BundleFacts, load_facts
from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
from sightx_cli.bundle.model_remarks import find_strangeness, find_untold, read_figure
from sightx_cli.bundle.partitions import (
    ORDER_KEY,
    PartitionFolder,
    check_folder_output,
    is_folder_output,
    making_partitions,
)
from sightx_cli.bundle.predicted_rows import RowCounts
from sightx_cli.bundle.predictor import count_views
from sightx_cli.bundle.table import (
    Begun,
    PredictionTable,
    TableColumns,
    check_output,
    find_parts,
    load_begun,
    plan_columns,
)
from sightx_cli.cluster.actor_pool import RETRIES
from sightx_cli.cluster.asked_rows import AskedRows, ask_rows
from sightx_cli.cluster.packed_model import PackedModel, pack_model
from sightx_cli.cluster.partition_work import MadePartition, PartitionWork, choose_partition_rows
from sightx_cli.cluster.ray_cluster import joining_cluster
from sightx_cli.cluster.row_file import RowFile, write_row_file
from sightx_cli.cluster.row_worker import RowOrder, RowWorker, write_lost_partition
from sightx_cli.data.layout import Layout
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.dicom.pseudonyms import share_key
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.predict import PredictResult


@dataclass(frozen=True)
class ClusterWish:
    """What is asked of a prediction on a cluster beside its sources."""

    run: Path
    output: Path
    address: str | None = None
    batch: int | None = None
    views: int = 1
    abstains: bool = False
    overwrite: bool = False
    resume: bool = False
    device: str = "auto"


def check_cluster_output(output: Path, overwrite: bool, resume: bool) -> None:
    """Check that a file, or a folder of partitions, can be written, before any work. Raises UsageError."""
    (check_folder_output if is_folder_output(output) else check_output)(output, overwrite, resume)


def predict_on_cluster(
    sources: Sequence[str | Path],
    layout: Layout,
    wish: ClusterWish,
    listener: Listener,
    worker: type[RowWorker] = RowWorker,
) -> PredictResult:
    """Predict sources on a cluster (see `api.predict`): the same rows as in one process.

    Raises SightXError for anything wrong in the input, and where no image at all could be read.
    """
    began = time.perf_counter()
    facts = load_facts(wish.run)
    wish = replace(wish, views=count_views(facts, wish.views))
    asked = ask_rows(sources, layout)
    for notice in asked.notices:
        listener.notice(notice)
    untold = find_untold(facts)
    for notice in untold:
        listener.notice(notice)
    counts, tally = RowCounts.of(facts.task), PixelTally(facts.reading)
    columns = plan_partition_columns(asked, facts, is_folder_output(wish.output))
    with ExitStack() as last:
        folder = last.enter_context(tempfile.TemporaryDirectory(prefix="sightx-rows-"))
        cluster = last.enter_context(joining_cluster(wish.address, listener)).choose_device(wish.device)
        packed = pack_model(wish.run, cluster.device)
        size = settle_partition_rows(asked.count, cluster.workers, wish)
        rows = write_row_file(Path(folder) / "rows.parquet", asked.iterate(), len(asked.columns), size)
        begun = Begun(identify_rows(rows, asked.columns, packed, wish), rows.rows, size)
        partitions = last.enter_context(making_partitions(wish.output, begun, wish.resume))
        order = RowOrder(
            columns=columns,
            partition_rows=size,
            batch=wish.batch,
            views=wish.views,
            threads=cluster.processors_each,
            key=share_key(),
            device=cluster.device,
            abstains=wish.abstains,
            is_parquet=partitions.is_folder,
        )
        work = PartitionWork(cluster, worker, order, packed, rows)
        rate = fill_partitions(work, partitions, counts, tally, listener)
        finish_partitions(partitions, columns, packed, wish)
    if counts.rows and counts.unreadable == counts.rows:
        raise DataError(
            f"none of the {counts.rows:,} images could be read: see the column error in {wish.output}",
            "see that the workers may read them: their rights and their disks are not those of this machine",
        )
    strange = find_strangeness(counts.rows - counts.unreadable, counts.statuses[UNFAMILIAR], wish.run)
    noticed = [*tally.list_notices(can_change=False), *strange]
    for notice in noticed:
        listener.notice(notice)
    seconds = {name: round(value, 3) for name, value in (*rate.seconds.items(), ("total", time.perf_counter() - began))}
    return PredictResult(
        images=rows.rows,
        files=asked.files,
        unreadable=counts.unreadable,
        unsure=counts.statuses[UNSURE],
        unfamiliar=counts.statuses[UNFAMILIAR],
        abstained=wish.abstains,
        decision=None if facts.decision is None else asdict(facts.decision),
        output=wish.output,
        run=wish.run,
        figure=read_figure(wish.run, facts.task, listener),
        seconds=seconds,
        images_per_second=rate.images_per_second,
        counts=counts.classes,
        notices=(*asked.notices, *untold, *noticed),
        workers=rate.workers,
    )


@dataclass(frozen=True)
class WorkRate:
    """How fast the workers were: until the first partition came back, and from then on."""

    seconds: dict[str, float]
    images_per_second: float
    workers: int


def fill_partitions(
    work: PartitionWork, partitions: PartitionFolder, counts: RowCounts, tally: PixelTally, listener: Listener
) -> WorkRate:
    """Have the workers make the partitions that are missing, and keep and count each as it comes."""
    for note in partitions.notes.values():
        counts.merge(RowCounts(dict(note.classes), note.rows, note.unreadable, Counter(note.statuses)))
    missing = partitions.list_missing()
    task = f"predicting on {work.cluster.describe()}"
    began = time.perf_counter()
    first, of_first, done = began, 0, 0
    listener.start(task, work.rows.rows, "images")

    def make_all() -> Iterator[MadePartition]:
        yield from work.make(missing)
        # What was given to a worker beside an image that killed it may be lost with it: by itself it shows.
        for number in partitions.list_missing():
            yield from work.make([number])

    try:
        listener.advance(task, partitions.resumed)
        for made in make_all():
            own = made.notes.counts
            if not partitions.keep(made.number, made.content, own):
                continue
            counts.merge(own)
            tally.images += made.notes.plain
            for image, found in made.notes.found:
                tally.add(image, found)
            now, done = time.perf_counter(), done + own.rows
            if not of_first:
                first, of_first = now, own.rows
            rate = (done - of_first) / max(now - first, 1e-9)
            listener.advance(task, own.rows, {"images/s": rate} if done > of_first else None)
        for number in partitions.list_missing():
            keep_lost(work, partitions, number, counts, listener)
    finally:
        listener.finish(task)
    ended = time.perf_counter()
    since, rows = (first, done - of_first) if done > of_first else (began, done)
    seconds = {"start": first - began, "predict": ended - began}
    return WorkRate(seconds, round(rows / max(ended - since, 1e-9), 1), work.cluster.workers)


def keep_lost(
    work: PartitionWork, partitions: PartitionFolder, number: int, counts: RowCounts, listener: Listener
) -> None:
    """Keep a partition that killed each worker that it was given to, with an error in each row, and say so."""
    asked = work.read_asked(number)
    content, own = write_lost_partition(asked, number, work.order)
    partitions.keep(number, content, own)
    counts.merge(own)
    first, died = number * work.rows.partition_rows, 2 * (RETRIES + 1)  # half of them with nothing else to do
    listener.notice(
        Notice(
            "lost-rows",
            f"rows {first + 1:,} to {first + own.rows:,} have an error instead of a prediction: {died} workers "
            f"died at them, from {asked[0].image} on; without --on ray one sees which image it is, and why",
            own.rows,
            warns=True,
        )
    )


def finish_partitions(
    partitions: PartitionFolder, columns: TableColumns, packed: PackedModel, wish: ClusterWish
) -> None:
    """Write the manifest of a folder, or make the file of the partitions."""
    if not partitions.is_folder:
        PredictionTable(partitions.output, columns, partitions.begun, resume=True).finish()
        return
    partitions.write_manifest(
        {
            "complete": True,
            "order_key": ORDER_KEY,
            "columns": [ORDER_KEY, *columns.names],
            "model": {"run": str(wish.run), "sha256": packed.sha256},
        }
    )


def plan_partition_columns(asked: AskedRows, facts: BundleFacts, is_folder: bool) -> TableColumns:
    """Plan the columns of partitions: in a folder a column of the user's named as the order key is `…_given`."""
    columns = plan_columns(facts.task, asked.columns, facts.decision, asked.types)
    if not is_folder or ORDER_KEY not in columns.names:
        return columns
    free = f"{ORDER_KEY}_given"
    while free in columns.names:
        free = f"{free}_given"
    given = {name: free if here == ORDER_KEY else here for name, here in columns.given.items()}
    return replace(columns, given=given, types={free if n == ORDER_KEY else n: t for n, t in columns.types.items()})


def settle_partition_rows(rows: int, workers: int, wish: ClusterWish) -> int:
    """Choose the rows of a partition: as before where an interrupted prediction goes on."""
    before = load_begun(find_parts(wish.output)) if wish.resume else None
    return (before.partition_rows if before is not None else 0) or choose_partition_rows(rows, workers)


def identify_rows(rows: RowFile, columns: Sequence[str], packed: PackedModel, wish: ClusterWish) -> str:
    """Return what must be the same for partitions to go on: rows in their order, their size, the model and its use."""
    kind = "partitions" if is_folder_output(wish.output) else "lines"
    said: list[Any] = [rows.digest, list(columns), rows.partition_rows, packed.sha256, wish.abstains, wish.views, kind]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()

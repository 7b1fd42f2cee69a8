"""Answers that are complete already: a prediction that is asked for again with `--resume` has nothing left to do.

What a table says of its making is its columns and its images; a folder of partitions also says of which model it is.
"""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sightx_cli.bundle.facts import load_facts
from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
from sightx_cli.bundle.model_remarks import read_figure
from sightx_cli.bundle.partitions import MANIFEST, ORDER_KEY, PARTITIONS
from sightx_cli.bundle.predicted_rows import RowCounts
from sightx_cli.bundle.table import SUFFIXES, find_parts, load_begun, to_text
from sightx_cli.cluster.asked_rows import AskedRows, ask_rows
from sightx_cli.cluster.packed_model import pack_model
from sightx_cli.data.cells import unshield_cell
from sightx_cli.data.layout import Layout
from sightx_cli.errors import UsageError
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.predict import PredictResult
from sightx_cli.steps.cluster_prediction import plan_partition_columns

KIND = "complete"
"""Of the notice that nothing was left to do."""

Rows = Iterator[Mapping[str, Any]]


def is_complete(output: Path, is_cluster: bool) -> bool:
    """Tell whether an output is there whole: a table, or on a cluster a folder with its manifest."""
    if load_begun(find_parts(output)) is not None:
        return False
    return (is_cluster and (output / MANIFEST).is_file()) or (output.is_file() and output.suffix.lower() in SUFFIXES)


def recall_prediction(
    sources: Sequence[str | Path], layout: Layout, run: Path, output: Path, abstains: bool, listener: Listener
) -> PredictResult:
    """Return what a complete output says, as if it had just been made; nothing is changed.

    Raises UsageError where it holds anything else than the rows asked for, or another model's.
    """
    began = time.perf_counter()
    asked, facts = ask_rows(sources, layout), load_facts(run)
    columns = plan_partition_columns(asked, facts, output.is_dir())
    counts = RowCounts.of(facts.task)
    try:
        if output.is_dir():
            check_model(output, run)
        names, rows = read_folder(output) if output.is_dir() else read_answer_table(output)
        if names != columns.names:
            raise ValueError("other columns")
        for row in match_rows(asked, rows):
            counts.add(row, facts.task)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UsageError(
            f"--output {output}: exists already, and does not hold the answers for these images by this run ({error})",
            "name another one, or put --overwrite in place of --resume to replace it",
        ) from error
    said = f"{output} holds all {counts.rows:,} rows already: nothing is predicted again (--overwrite does that)"
    complete = Notice(KIND, said, counts.rows)
    for notice in (*asked.notices, complete):
        listener.notice(notice)
    return PredictResult(
        images=counts.rows,
        files=asked.files,
        unreadable=counts.unreadable,
        unsure=counts.statuses[UNSURE],
        unfamiliar=counts.statuses[UNFAMILIAR],
        abstained=abstains,
        decision=None if facts.decision is None else asdict(facts.decision),
        output=output,
        run=run,
        figure=read_figure(run, facts.task, listener),
        seconds={"predict": 0.0, "total": round(time.perf_counter() - began, 3)},
        images_per_second=0.0,
        counts=counts.classes,
        notices=(*asked.notices, complete),
    )


def match_rows(asked: AskedRows, rows: Rows) -> Rows:
    """Yield the rows of an output; raises ValueError where they are not those asked for, in their order."""
    for wanted, row in itertools.zip_longest(asked.iterate(), rows):
        if wanted is None or row is None:
            raise ValueError(f"it has {'more' if wanted is None else 'fewer'} rows than the {asked.count:,} asked for")
        if to_text(wanted.image) != row["image"]:
            raise ValueError(f"it has {row['image']} where {to_text(wanted.image)} is asked for")
        yield row


def check_model(output: Path, run: Path) -> None:
    """Raise ValueError where a folder is of another model, of which a CPU and a GPU read different files."""
    manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    if manifest["model"]["sha256"] not in (pack_model(run, device).sha256 for device in ("cpu", "cuda")):
        raise ValueError("it is of another model")


def read_folder(output: Path) -> tuple[list[str], Rows]:
    """Return the columns of a folder of partitions, without their order, and its rows."""
    import pyarrow.parquet

    manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    files = [output / one["file"] for one in manifest["partitions"]]
    if {file.name for file in files} != {file.name for file in (output / PARTITIONS).glob("part-*")}:
        raise ValueError("its partitions are not those of its manifest")
    names = [name for name in manifest["columns"] if name != ORDER_KEY]
    return names, (row for file in files for row in pyarrow.parquet.read_table(file).to_pylist())


def read_answer_table(output: Path) -> tuple[list[str], Rows]:
    """Return the columns of a table, and its rows."""
    if output.suffix.lower() == ".parquet":
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(output) as file:
            names = list(file.schema_arrow.names)
        return names, _read_batches(output)
    if output.suffix.lower() == ".jsonl":
        lines = _read_lines(output)
        first = next(lines, {})
        return list(first), iter([first, *lines]) if first else lines
    table = csv.DictReader(_read_text(output))
    return list(map(unshield_cell, table.fieldnames or ())), map(_read_cells, table)


def _read_batches(output: Path) -> Rows:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(output) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _read_cells(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if None in row or None in row.values():
        raise ValueError("a row of it is cut off")
    return {unshield_cell(name): unshield_cell(text) for name, text in row.items()}


def _read_lines(output: Path) -> Rows:
    with output.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _read_text(output: Path) -> Iterator[str]:
    with output.open(encoding="utf-8", newline="") as lines:
        yield from lines

"""Workers that answer for images to be judged: what each file is, and what the model says of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.bundle.facts import load_facts
from sightx_cli.bundle.predicted_rows import RowCounts
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.bundle.table import plan_columns
from sightx_cli.cluster.packed_model import pack_model
from sightx_cli.cluster.partition_work import PartitionWork, choose_partition_rows
from sightx_cli.cluster.ray_cluster import joining_cluster
from sightx_cli.cluster.row_file import read_rows, write_row_file
from sightx_cli.cluster.row_worker import LOST, MadeNotes, RowOrder, RowWorker
from sightx_cli.data.contents import FileFacts, measure_files
from sightx_cli.data.queries import QueryRow
from sightx_cli.data.readers import Found
from sightx_cli.dicom.pseudonyms import share_key
from sightx_cli.progress import Listener

Answer = tuple[FileFacts, Prediction]


class AnswerWorker(RowWorker):
    """Answers for the images of partitions: a list of `Answer` each."""

    def predict(self, number: int) -> tuple[Any, MadeNotes]:
        """Answer for one partition."""
        asked = read_rows(self._rows, number)
        reading = self._predictor.facts.reading
        facts = measure_files([row.path for row in asked], lambda *_: Found(), reading=reading)
        predicted = self._predictor.predict((row.image, row.path) for row in asked)
        notes = MadeNotes(RowCounts.of(self._order.columns.task), 0, ())
        return list(zip(facts, predicted, strict=True)), notes


@dataclass(frozen=True)
class ClusterAnswers:
    """Asks the workers of a cluster about images with a run's model."""

    run: Path
    address: str | None
    batch: int | None
    views: int
    device: str = "auto"

    def ask(self, images: Sequence[str], paths: Sequence[str], listener: Listener) -> Iterator[Answer]:
        """Yield the answer for each image, in order."""
        task = load_facts(self.run).task
        asked = (QueryRow(image, path) for image, path in zip(images, paths, strict=True))
        with ExitStack() as last:
            folder = last.enter_context(tempfile.TemporaryDirectory(prefix="sightx-rows-"))
            cluster = last.enter_context(joining_cluster(self.address, listener)).choose_device(self.device)
            size = choose_partition_rows(len(images), cluster.workers)
            rows = write_row_file(Path(folder) / "rows.parquet", asked, 0, size)
            order = RowOrder(
                columns=plan_columns(task),
                partition_rows=size,
                batch=self.batch,
                views=self.views,
                threads=cluster.processors_each,
                key=share_key(),
                device=cluster.device,
            )
            work = PartitionWork(cluster, AnswerWorker, order, pack_model(self.run, cluster.device), rows)
            title = f"predicting on {cluster.describe()}"
            listener.start(title, len(images), "images")
            try:
                made: dict[int, list[Answer]] = {}
                for one in work.make(range(-(-len(images) // size))):
                    made[one.number] = one.content
                    listener.advance(title, min(size, len(images) - one.number * size))
            finally:
                listener.finish(title)
            for number in range(-(-len(images) // size)):
                if number in made:
                    yield from made.pop(number)
                else:
                    yield from (
                        (FileFacts("", None, LOST), Prediction(row.image, None, LOST))
                        for row in work.read_asked(number)
                    )

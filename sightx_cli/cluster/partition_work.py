"""Partitions of rows given to workers: what they are made of goes into Ray's store once, what they make comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sightx_cli.cluster.actor_pool import map_partitions
from sightx_cli.cluster.packed_model import PackedModel
from sightx_cli.cluster.ray_cluster import Cluster
from sightx_cli.cluster.row_file import RowFile, read_rows
from sightx_cli.cluster.row_worker import MadeNotes, RowOrder, RowWorker
from sightx_cli.data.queries import QueryRow
from sightx_cli.errors import RunError

MOST_PARTITION_ROWS, LEAST_PARTITION_ROWS = 2000, 4
"""Of a partition: what a killed process loses for each worker, and what memory holds."""
PARTITIONS_EACH = 16
"""Partitions for each worker, at least: the last ones to be done keep few workers waiting."""


@dataclass(frozen=True)
class MadePartition:
    """A partition as it came back."""

    number: int
    content: Any
    """What its kind of worker gives: the bytes of a file of rows, or answers."""
    notes: MadeNotes


@dataclass(frozen=True)
class PartitionWork:
    """Who makes the partitions, and of what."""

    cluster: Cluster
    worker: type[RowWorker]
    order: RowOrder
    packed: PackedModel
    rows: RowFile

    def make(self, numbers: Sequence[int]) -> Iterator[MadePartition]:
        """Have partitions made; yield them as they come, in any order (see `map_partitions`).

        Raises RunError where a worker fails for another reason than its images.
        """
        if not numbers:
            return
        put = self.cluster.ray.put
        sent = put(self.packed), put(np.fromfile(self.rows.path, np.uint8))
        for made in map_partitions(self.cluster, self.worker, (self.order, *sent), numbers):
            content, notes = made["made"]
            if notes.defect:
                raise RunError(f"a worker failed: {notes.defect}", "what is done is kept: type the same with --resume")
            yield MadePartition(made["number"], content, notes)

    def read_asked(self, number: int) -> list[QueryRow]:
        """Read the rows of a partition, here."""
        return read_rows(self.rows.path.read_bytes(), number)


def choose_partition_rows(rows: int, workers: int) -> int:
    """Choose the rows of a partition: small enough that every worker has many, and that little is lost with one."""
    return min(max(-(-rows // (PARTITIONS_EACH * workers)), LEAST_PARTITION_ROWS), MOST_PARTITION_ROWS)

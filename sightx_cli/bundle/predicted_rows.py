"""Rows of a table of predictions, made from the rows asked for: an image in several of them is predicted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sightx_cli.bundle.predictor import Prediction, Predictor
from sightx_cli.bundle.table import STATUS, TableColumns, build_answer
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.data.queries import QueryRow
from sightx_cli.task.task import Task

NO_IMAGE = "the table names no image in this row"
"""The error of a row whose cell for the image is empty."""

Draw = Callable[[int, str, Prediction], object]
"""Draws the heatmap of an image: the number of its row, its path, and its prediction."""


class RowTable(Protocol):
    """A table that rows are added to (see `bundle.table.PredictionTable`)."""

    columns: TableColumns
    resumed: int
    """Rows that were there already."""

    def done_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that were there, in order."""

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""


def predict_asked(
    rows: Sequence[QueryRow],
    predictor: Predictor,
    table: RowTable,
    tally: PixelTally,
    draw: Draw | None = None,
    abstains: bool = False,
) -> Iterator[Mapping[str, Any]]:
    """Yield every row of the table, those that were there already first; an image in several rows is predicted once.

    `tally` counts what is found in the files that are read; `draw` is given each prediction before its row is kept.
    """
    columns = table.columns
    often = {path for path, count in Counter(row.path for row in rows).items() if count > 1}
    answers: dict[str, dict[str, Any]] = {"": build_answer(Prediction("", None, NO_IMAGE), columns)}
    for asked, row in zip(rows, table.done_rows(), strict=False):
        if asked.path in often:
            answers.setdefault(asked.path, columns.read_answer(row))
        yield row
    left = rows[table.resumed :]
    fresh: dict[str, str] = {}
    for asked in left:
        if asked.path not in answers:
            fresh.setdefault(asked.path, asked.image)
    predictions = predictor.predict((image, path) for path, image in fresh.items())
    for number, asked in enumerate(left, table.resumed + 1):
        answer = answers.get(asked.path)
        if answer is None:
            prediction = next(predictions)
            if prediction.found is not None:
                tally.add(prediction.image, prediction.found)
            if draw is not None:
                draw(number, asked.path, prediction)
            answer = build_answer(prediction, columns, abstains)
            if asked.path in often:
                answers[asked.path] = answer
        row = columns.build_row(asked, answer)
        table.write(row)
        yield row


@dataclass
class RowCounts:
    """What rows say, counted."""

    classes: dict[str, int]
    """Images by the class named."""
    rows: int = 0
    unreadable: int = 0
    statuses: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, task: Task) -> RowCounts:
        """Begin to count rows of a task."""
        return cls(dict.fromkeys(task.classes, 0))

    def add(self, row: Mapping[str, Any], task: Task) -> None:
        """Count one row."""
        self.rows += 1
        self.statuses[row[STATUS]] += 1
        if row["error"]:
            self.unreadable += 1
            return
        prediction = row[task.columns[0]]
        for name in task.split_prediction(prediction) if prediction else ():
            self.classes[name] += 1

    def merge(self, other: RowCounts) -> None:
        """Add what was counted elsewhere."""
        self.rows += other.rows
        self.unreadable += other.unreadable
        self.statuses.update(other.statuses)
        for name, count in other.classes.items():
            self.classes[name] += count

"""Images, and what a model is said to have predicted of them, written as annotations without any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sightx_cli.bundle.facts import BundleFacts, write_facts
from sightx_cli.data.queries import Query, QueryRow
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.progress import Notice
from sightx_cli.report.annotations import find_format
from sightx_cli.report.annotations.annotation_folder import placing_annotations
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

CLASSES = ("cat", "hund, groß", '=1+1 "<&>"')


@dataclass(frozen=True)
class Made:
    """What was written, and what was said of it."""

    folder: Path
    notices: list[Notice]


Said = tuple[str, Sequence[float], str]
"""The name of a file, the probability of each class, and the status; no probabilities for one that is unreadable."""


@pytest.fixture
def annotate(tmp_path: Path) -> Callable[..., Made]:
    """Writes annotations: `annotate("coco", [("a.png", (0.2, 0.7, 0.1), "unsure")])` in the folder `out`."""
    (tmp_path / "run" / "bundle").mkdir(parents=True)

    def write(name: str, said: Sequence[Said], task: Task | None = None, reading: Reading = AS_IS, **more: Any) -> Made:
        task = task or SingleLabel(CLASSES)
        facts = BundleFacts(task, 64, "pad", (0.5,) * 3, (0.2,) * 3, "resnet18", {}, "mine", reading=reading)
        write_facts(tmp_path / "run" / "bundle", facts)
        rows = [QueryRow(file, str(tmp_path / file)) for file, _, _ in said]
        folder = tmp_path / "out"
        with placing_annotations(find_format(name), folder, Query(rows), facts, tmp_path / "run", True) as made:
            assert made is not None
            for asked, (_, shares, status) in zip(rows, said, strict=True):
                made.add(asked, build_row(task, shares, status, **more))
            notices = made.write()
        return Made(folder, notices)

    return write


def build_row(task: Task, shares: Sequence[float], status: str, **more: Any) -> dict[str, Any]:
    import numpy as np

    cells = task.fill_row(np.array(shares, np.float32) if shares else None)
    return {**cells, "status": status, "error": "" if shares else "is empty", **more}


@pytest.fixture
def two_labels() -> MultiLabel:
    return MultiLabel(("round", "straight"))

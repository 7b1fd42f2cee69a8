"""Answers of two models that know other classes, brought to the same ones, so that their figures can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.task import Task


@dataclass(frozen=True)
class SharedClasses:
    """On which images and classes two models can be compared.

    Of exclusive classes: the images of a class that both know, and all classes that either may answer, so that an
    answer which only one can give is still a mistake. Of labels that are questions of their own: every image, and the
    labels that both know.
    """

    rows: NDArray[np.bool_]
    """(N,): which of the images."""
    names: tuple[str, ...]
    targets: NDArray[np.int64]
    """Of those images, by these classes."""


@dataclass(frozen=True)
class SharedAnswers:
    """One model's probabilities (N, C) of the shared classes, and its task with these."""

    task: Task
    probabilities: NDArray[np.float32]


def find_shared_classes(earlier: Task, today: Task, labels: Sequence[str], ordered: Sequence[str]) -> SharedClasses:
    """Find what two models are compared on: `labels` are today's, `ordered` are the classes of both in their order."""
    if isinstance(today, MultiLabel):
        names = tuple(name for name in today.classes if name in earlier.classes)
        targets = today.number(labels)[:, [today.classes.index(name) for name in names]]
        return SharedClasses(np.full(len(labels), bool(names)), names, targets)
    rows = np.array([label in earlier.classes and label in today.classes for label in labels], bool)
    places = {name: place for place, name in enumerate(ordered)}
    targets = np.array([places[label] for label, kept in zip(labels, rows, strict=True) if kept], np.int64)
    return SharedClasses(rows, tuple(ordered), targets)


def share_answers(task: Task, probabilities: NDArray[np.float32], shared: SharedClasses) -> SharedAnswers:
    """Bring a model's probabilities (N, own classes) to the shared classes; 0 for those that it does not know."""
    columns = np.zeros((len(probabilities), len(shared.names)), np.float32)
    for place, name in enumerate(shared.names):
        if name in task.classes:
            columns[:, place] = probabilities[:, task.classes.index(name)]
    thresholds = task.list_thresholds()
    plain = replace(task.set_thresholds(None), classes=shared.names)
    kept = None if thresholds is None else {name: thresholds[name] for name in shared.names}
    return SharedAnswers(plain.set_thresholds(kept), columns)

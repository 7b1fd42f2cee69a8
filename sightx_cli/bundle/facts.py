"""The bundle: the files of a trained model that are enough to predict, on any machine, without torch.

`bundle.json` holds the task with its classes, preprocessing, backbone and head; `graph.xml` and `.bin` the compiled
form, uint8 images in, probabilities out; `weights.safetensors` the same weights for further training. Nothing in it is
a pickle. Where OpenVINO cannot convert the network there is no graph, and torch predicts from the weights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.task.kinds import load_task
from sightx_cli.task.task import Task

FORMAT_VERSION = 2


@dataclass(frozen=True)
class BundleFacts:
    """All that prediction needs to know beside the graph."""

    task: Task
    size_px: int
    fit: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    backbone: str
    head: dict[str, Any]
    recipe: str
    temperature: float = 1.0
    thresholds: dict[str, float] | None = None
    grey: str | None = None
    """How the stem was made for one channel, "mean" or "sum"; images go in as RGB all the same."""
    graph: bool = True
    """False where OpenVINO cannot convert the network: torch predicts from the weights."""
    format: int = FORMAT_VERSION


def write_facts(folder: Path, facts: BundleFacts) -> None:
    """Write `bundle.json` into a bundle folder."""
    runs.write_json(folder / runs.BUNDLE_FACTS, {**asdict(facts), "task": facts.task.to_json()})


def load_facts(run: Path) -> BundleFacts:
    """Read a run's `bundle.json`; raises RunError on a damaged one or one of another format."""
    path = run / runs.BUNDLE / runs.BUNDLE_FACTS
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] != FORMAT_VERSION:
            raise RunError(
                f"{path}: format {table['format']}, this version reads {FORMAT_VERSION}",
                "predict with the version of sightx that made it, or fit again",
            )
        return BundleFacts(**{**table, "task": load_task(table["task"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read ({error})", "fit again, or name another run") from error

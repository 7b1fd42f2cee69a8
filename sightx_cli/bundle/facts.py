"""The bundle: the files of a trained model that are enough to predict, on any machine, without torch.

`bundle.json` holds the task with its classes, preprocessing, backbone and head, and the SHA-256 of every other file;
`graph.xml` and `.bin` the compiled form, uint8 images in, probabilities out; `weights.safetensors` the same weights for
further training. Nothing in it is a pickle. Where OpenVINO cannot convert the network there is no graph, and torch
predicts from the weights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.errors import RunError
from sightx_cli.filesystem import check_ordinary
from sightx_cli.model.packaged import digest_weights
from sightx_cli.task.kinds import load_task
from sightx_cli.task.task import Task

FORMAT_VERSION = 3


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
    reading: Reading = AS_IS
    """How pixels are taken from files that leave a choice: as in training."""
    graph: bool = True
    """False where OpenVINO cannot convert the network: torch predicts from the weights."""
    pretrained: str | None = None
    """What identifies the weights that the backbone still has (`Weights.digest`); None where training changed them."""
    files: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of each other file of the bundle, by its name: what identifies the model."""
    format: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the content of `bundle.json`."""
        return {**asdict(self), "task": self.task.to_json()}


def write_facts(folder: Path, facts: BundleFacts) -> None:
    """Write `bundle.json` into a bundle folder, last, with the digests of the files that are there."""
    files = {file.name: digest_weights(file) for file in sorted(folder.iterdir()) if file.name != runs.BUNDLE_FACTS}
    runs.write_json(folder / runs.BUNDLE_FACTS, replace(facts, files=files).to_json())


def load_facts(run: Path) -> BundleFacts:
    """Read a run's `bundle.json`; raises RunError on a damaged one, one of another format, or values that cannot be."""
    path = run / runs.BUNDLE / runs.BUNDLE_FACTS
    try:
        check_ordinary(path)
        text = path.read_bytes()
        version = json.loads(text)["format"]
        if version == FORMAT_VERSION:
            from sightx_cli.bundle.facts_schema import parse_facts

            table = parse_facts(text)
            task = load_task(table["task"]).set_thresholds(table["thresholds"])
            return BundleFacts(**{**table, "task": task, "reading": Reading(**table["reading"])})
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error})", "fit again, or name another run") from error
    raise RunError(
        f"{path}: format {version}, this version reads {FORMAT_VERSION}",
        "predict with the version of sightx that made it, or fit again",
    )


def check_bundled(run: Path, facts: BundleFacts, *names: str) -> None:
    """Raise RunError where a file of a run's bundle is missing, or is not the one that `bundle.json` was written of."""
    for name in names:
        file = run / runs.BUNDLE / name
        try:
            check_ordinary(file)
            found = digest_weights(file)
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({error.strerror})", "fit again, or name another run") from error
        if found != facts.files.get(name):
            raise RunError(
                f"{file}: is not the file that fit wrote (its SHA-256 is not that of {runs.BUNDLE_FACTS})",
                "copy the run again from where it was made, or fit again",
            )

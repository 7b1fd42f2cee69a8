"""A run's model as bytes: it travels to the workers by Ray's own store, so that no disk has to be shared for it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.facts import check_bundled, load_facts
from sightx_cli.bundle.predictor import Predictor, load_predictor
from sightx_cli.engine.interface import choose_batch


@dataclass(frozen=True)
class PackedModel:
    """The files of a bundle that predict, by their names."""

    files: Mapping[str, bytes]
    sha256: str
    """Of them all: what identifies the model."""


def pack_model(run: Path, device: str = "cpu") -> PackedModel:
    """Pack what predicts of a run: on the CPU the graph, elsewhere the weights.

    Raises RunError where a file is missing or damaged.
    """
    facts = load_facts(run)
    graph = {runs.BUNDLE_GRAPH, str(Path(runs.BUNDLE_GRAPH).with_suffix(".bin"))}
    left_out = graph if device != "cpu" else {runs.BUNDLE_WEIGHTS} if facts.graph else set()
    needed = [name for name in facts.files if name not in left_out]
    check_bundled(run, facts, *needed)
    files = {name: (run / runs.BUNDLE / name).read_bytes() for name in sorted([*needed, runs.BUNDLE_FACTS])}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return PackedModel(files, digest.hexdigest())


def load_packed(packed: PackedModel, batch: int | None, views: int, device: str = "cpu") -> Predictor:
    """Load a packed model in a worker; no batch is tried on a CPU, since the answers are the same with any."""
    with tempfile.TemporaryDirectory(prefix="sightx-model-") as folder:
        run = Path(folder)
        (run / runs.BUNDLE).mkdir()
        for name, content in packed.files.items():
            (run / runs.BUNDLE / name).write_bytes(content)
        if batch is None and device == "cpu":
            batch = choose_batch(load_facts(run).size_px)
        return load_predictor(run, batch, views, device=device)

"""`load_model`: a run's model in memory, to be asked again and again. Never imports torch."""

from __future__ import annotations

from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.memory_model import Model
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.steps.random_state import keeping_random_state


@keeping_random_state()
def load_model(run: str | Path | None = None, *, tta: int | None = None) -> Model:
    """Load a run's model, the newest by default, to predict images in memory (see `Model.predict`).

    Every file of its bundle is held against the SHA-256 that the fit wrote. With `tta` a prediction is the mean over
    so many views of its image, changed as leaves the labels alone. No file is written, and nothing is printed.

    Raises `RunError` for what is no finished run, was made by a newer version, or is not as the fit wrote it;
    `UsageError` for a `tta` that this model cannot do.
    """
    folder = runs.find_run(run)
    return Model(folder, load_predictor(folder, 1, 1 if tta is None else tta, streams=1, is_whole=True))

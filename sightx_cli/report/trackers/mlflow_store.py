"""MLflow: a database `mlflow.db` and pictures in `mlruns/`, beside `runs/` in the current folder; `mlflow ui` finds it.

Nothing is sent: the client is given the database by its path, and MLflow's telemetry is off while it is imported, which
is when it would begin.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.errors import quote

EXPERIMENT = "sightx"
DATABASE, ARTIFACTS = "mlflow.db", "mlruns"
RUN_TAG = "sightx.run"
"""The tag by which a fit that goes on finds what it began."""
MOST_OF_A_PARAMETER = 500
"""Letters of a parameter's value: what the oldest databases of MLflow hold."""


class MlflowStore:
    """Writes through MLflow's client, which changes nothing of the process."""

    name: ClassVar[str] = "mlflow"
    package: ClassVar[str] = "mlflow"

    def __init__(self) -> None:
        self._client: Any = None
        self._id = ""

    def begin(self, run: Path, parameters: Mapping[str, str]) -> str:
        """Begin a run of the experiment `sightx`, or go on with that of the same run folder."""
        with telemetry_off():
            from mlflow import MlflowClient
        place, logger = Path.cwd(), logging.getLogger("mlflow")
        level = logger.level
        logger.setLevel(logging.WARNING)  # a new database tells what it makes
        try:
            self._open(MlflowClient(tracking_uri=f"sqlite:///{place / DATABASE}"), place, run, parameters)
        finally:
            logger.setLevel(level)
        return f"mlflow ui --backend-store-uri {quote(f'sqlite:///{place / DATABASE}')}"

    def _open(self, client: Any, place: Path, run: Path, parameters: Mapping[str, str]) -> None:
        self._client = client
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = experiment.experiment_id if experiment is not None else None
        if number is None:
            number = client.create_experiment(EXPERIMENT, artifact_location=(place / ARTIFACTS).as_uri())
        known = [one for one in client.search_runs([number]) if one.data.tags.get(RUN_TAG) == str(run)]
        if known:
            self._id = known[0].info.run_id
            client.update_run(self._id, status="RUNNING")
        else:
            self._id = client.create_run(number, tags={RUN_TAG: str(run)}, run_name=run.name).info.run_id
        there = known[0].data.params if known else {}
        for name, value in parameters.items():
            if name not in there:  # a value cannot be written twice
                client.log_param(self._id, name, value[:MOST_OF_A_PARAMETER])

    def log_epoch(self, step: int, figures: Mapping[str, float]) -> None:
        """Write each figure as a metric."""
        self._log({f"epoch/{name}": value for name, value in figures.items()}, step)

    def finish(self, run: Path, figures: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        """Write the final figures and the pictures; the tag names where the run lies now."""
        self._log(figures, 0)
        self._client.set_tag(self._id, RUN_TAG, str(run))
        for path in pictures.values():
            self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id)
        self._id = ""

    def abort(self) -> None:
        """Call the run killed."""
        number, self._id = self._id, ""
        if number:
            self._client.set_terminated(number, status="KILLED")

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)


@contextmanager
def telemetry_off() -> Iterator[None]:
    """Let MLflow be imported without its telemetry; the process's environment is afterwards as it was."""
    name = "MLFLOW_DISABLE_TELEMETRY"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

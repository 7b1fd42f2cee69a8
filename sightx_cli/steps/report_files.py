"""The report and the model card of a fit, made of what its folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.bundle.explainer import Explainer
from sightx_cli.bundle.facts import load_facts
from sightx_cli.evaluation.kept_predictions import read_predictions
from sightx_cli.evaluation.part_pictures import choose_pictures
from sightx_cli.progress import Listener
from sightx_cli.report.about import load_about
from sightx_cli.report.report_facts import gather_run_facts, join_facts
from sightx_cli.report.report_heatmaps import FIT_SECONDS, plan_heatmaps
from sightx_cli.report.report_page import write_report
from sightx_cli.results.fit import FitResult
from sightx_cli.steps.preparation import Preparation
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    from torch import nn


def write_run_report(
    folder: Path, preparation: Preparation, task: Task, model: nn.Sequential, result: FitResult, listener: Listener
) -> None:
    """Complete a run's metrics.json with what its report says beside figures, and write report and model card."""
    options = preparation.options
    part = "test" if result.test else "valid"
    frame = preparation.part(part)
    kept = read_predictions(folder / runs.PREDICTIONS / f"{part}.csv", task, part)
    about: dict[str, Any] = {} if options.about is None else load_about(options.about)
    metrics = join_facts(
        result.metrics_to_json(),
        gather_run_facts(folder),
        about,
        name=name_source(options.source),
        task=task.kind,
        classes=list(task.classes),
        described=task.describe(),
        warnings=[notice.text for notice in result.notices if notice.warns],
        separator=task.separator if isinstance(task, MultiLabel) else "",
    )
    metrics["pictures"] = choose_pictures(task, frame, kept.probabilities)
    runs.write_json(folder / runs.METRICS, metrics)
    images = dict(zip(frame["image"], map(str, frame["path"]), strict=True))
    write_report(
        folder,
        images,
        preparation.reading,
        plan_heatmaps(lambda: Explainer(load_facts(folder), model.eval()), images, FIT_SECONDS, listener),
    )


def name_source(source: str | Path) -> str:
    """Name images in a word: their folder, or their table's name."""
    return Path(str(source).removeprefix("demo:")).absolute().stem or "images"

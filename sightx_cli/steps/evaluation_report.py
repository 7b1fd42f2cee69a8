"""The report and the model card of an evaluation, made of what its folder and the model's run hold."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.explainer import load_explainer
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.evaluation.part_pictures import choose_pictures
from sightx_cli.progress import Relay
from sightx_cli.report.report_facts import build_flow, gather_run_facts, join_facts
from sightx_cli.report.report_heatmaps import EVALUATION_SECONDS, plan_heatmaps
from sightx_cli.report.report_page import write_report
from sightx_cli.results.evaluate import EvaluateResult
from sightx_cli.steps.report_files import name_source
from sightx_cli.task.multilabel import MultiLabel

if TYPE_CHECKING:
    import pandas as pd

REPORTING = "writing the report"
"""The work as the user sees it."""


def report_evaluation(
    folder: Path,
    result: EvaluateResult,
    about: Mapping[str, Any],
    judged: pd.DataFrame,
    probabilities: NDArray[np.float32],
    facts: BundleFacts,
    chosen_on: int | None,
    command: str,
    listener: Relay,
) -> EvaluateResult:
    """Complete an evaluation's metrics.json and write its report and model card, where that can be done.

    On `chosen_on` of the images the run's best epoch was chosen (None: not known); `command` measures the same again.

    What goes wrong is a warning, and the figures stay: they outweigh a page about them.
    """
    listener.start(REPORTING, None, "")
    try:
        metrics = complete_metrics(result, about, facts)
        metrics["facts"] |= {"chosen_on": chosen_on, "evaluation_command": command}
        metrics["pictures"] = choose_pictures(facts.task, judged, probabilities)
        runs.write_json(folder / runs.METRICS, metrics)
        images = dict(zip(judged["image"], map(str, judged["path"]), strict=True))
        write_report(
            folder,
            images,
            facts.reading,
            plan_heatmaps(lambda: load_explainer(result.run), images, EVALUATION_SECONDS, listener),
        )
    except Exception as error:  # of any kind: what was measured outweighs a page about it
        listener.warn(f"{runs.REPORT} could not be made ({type(error).__name__}: {error}); the figures are whole")
        for name in (runs.REPORT, runs.MODEL_CARD):
            (folder / name).unlink(missing_ok=True)
        result = replace(result, report=None, warnings=tuple(listener.warnings))
        runs.write_json(folder / runs.METRICS, result.metrics_to_json())
    finally:
        listener.finish(REPORTING)
    return result


def complete_metrics(result: EvaluateResult, about: Mapping[str, Any], facts: BundleFacts) -> dict[str, Any]:
    """Return an evaluation's metrics.json with what its report says beside figures."""
    run_facts = gather_run_facts(result.run)
    notices = [notice.to_json() for notice in result.notices]
    outside = sum(one["count"] for one in notices if one["kind"] in ("unknown-classes", "without-label"))
    flow = build_flow(result.figures.images + outside, result.reasons, notices, result.figures.images)
    kept = [*notices, *run_facts.get("notices", [])]
    return join_facts(
        result.metrics_to_json(),
        {**run_facts, "notices": [one for one in kept if one["kind"] not in ("classes", "columns")]},
        about,
        name=name_source(result.source),
        task=facts.task.kind,
        classes=list(facts.task.classes),
        described=facts.task.describe(),
        separator=facts.task.separator if isinstance(facts.task, MultiLabel) else "",
        warnings=list(result.warnings),
        judged_flow=flow,
    )


def write_evaluate_command(source: str | Path, run: Path, options: Mapping[str, object]) -> str:
    """Write the command that measures the same model on the same images again, of options by their Python names."""
    words = ["sightx", "evaluate", str(source), "--model", str(run)]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, list | tuple):
            words += [word for one in value for word in (flag, str(one))]
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return shlex.join(words)

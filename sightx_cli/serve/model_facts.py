"""What the page says of its model: classes and figures, as the report and the model card have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.chosen_threshold import decides_class
from sightx_cli.bundle.decided_label import describe_decision
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.table import list_answers
from sightx_cli.filesystem import read_ordinary
from sightx_cli.progress import Notice
from sightx_cli.report.part_origin import describe_part, head_part
from sightx_cli.report.report_sections import list_measured, list_parts
from sightx_cli.serve.heatmap_drawer import HeatmapDrawer
from sightx_cli.serve.limits import Limits
from sightx_cli.version import VERSION

RESEARCH = "Research, not a medical device. What was measured holds for the images that were given, for no others."

WITHOUT_THRESHOLD = "They are of the likelier class of each image, without the threshold that is stored."


def gather_model_facts(run: Path, facts: BundleFacts, limits: Limits) -> tuple[dict[str, Any], list[Notice]]:
    """Gather what `GET /model` answers, and what could not be found out, as a bundle copied alone has no figures."""
    metrics, notices = _load_metrics(run)
    parts = list_parts(metrics)
    about = metrics.get("about") or {}
    decision = facts.decision
    content = {
        "run": run.name,
        "name": (about.get("purpose") or {}).get("name") or (metrics.get("facts") or {}).get("name") or run.name,
        "intended_use": (about.get("purpose") or {}).get("intended_use"),
        "task": facts.task.kind,
        "described": facts.task.describe(),
        "classes": list(facts.task.classes),
        "thresholds": facts.task.list_thresholds(),
        "decision": None if decision is None else vars(decision),
        "decides_class": decides_class(decision, facts.task),
        "decided_by": None if decision is None else describe_decision(decision),
        "size_px": facts.size_px,
        "backbone": facts.backbone,
        "recipe": facts.recipe,
        "tells_unsure": facts.sets is not None,
        "tells_unfamiliar": facts.familiarity is not None,
        "columns": ["image", *list_answers(facts.task, decision)],
        "figures": [_describe_figures(name, part, metrics, facts) for name, part in list(parts.items())[:1]],
        "heatmaps": {"available": not HeatmapDrawer.find_obstacle(), "why": HeatmapDrawer.find_obstacle()},
        "limits": {name: getattr(limits, name) for name in ("file_bytes", "image_pixels", "request_bytes", "files")},
        "research": RESEARCH,
        "version": VERSION,
    }
    return content, notices


def _load_metrics(run: Path) -> tuple[Mapping[str, Any], list[Notice]]:
    path = run / runs.METRICS
    try:
        return json.loads(read_ordinary(path)), []
    except FileNotFoundError:
        text = "the page shows no figures of this model: its run has none (a bundle that was copied alone?)"
        return {}, [Notice("no-figures", text)]
    except (OSError, ValueError) as error:
        return {}, [Notice("no-figures", f"the page shows no figures of this model: {path} cannot be read ({error})")]


def _describe_figures(
    name: str, part: Mapping[str, Any], metrics: Mapping[str, Any], facts: BundleFacts
) -> dict[str, Any]:
    without = f" {WITHOUT_THRESHOLD}" if decides_class(facts.decision, facts.task) else ""
    return {
        "heading": head_part(name, metrics),
        "what": f"{describe_part(name, metrics)}{without}",
        "images": part["images"],
        "figures": [{key: one[key] for key in ("title", "value", "interval")} for one in list_measured(part)],
    }

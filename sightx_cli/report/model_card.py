"""The model card: the report's facts in short, with the front matter that Hugging Face reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.metrics.registry import find_title
from sightx_cli.report.about import list_said
from sightx_cli.report.numbers import format_number, format_range, show_name
from sightx_cli.report.part_origin import head_part
from sightx_cli.report.report_sections import list_measured, list_parts
from sightx_cli.report.training_done import list_done

HUB_METRICS = {"accuracy": "accuracy", "roc_auc": "roc_auc", "f1": "f1", "matthews": "matthews_correlation"}
"""Figures that Hugging Face knows, by our names."""
CLASSES_LISTED = 30


def write_card(metrics: Mapping[str, Any], folder: Path) -> Path:
    """Write model_card.md of a folder's metrics.json."""
    text = "\n".join(map(show_name, [*_list_front(metrics), "", *_list_body(metrics)])) + "\n"
    runs.write_file(folder / runs.MODEL_CARD, lambda path: path.write_text(text, encoding="utf-8"))
    return folder / runs.MODEL_CARD


def quote_yaml(text: object) -> str:
    """Write a text as YAML's double-quoted scalar, whatever it holds."""
    escaped = show_name(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def escape_markdown(text: object) -> str:
    """Write a text so that Markdown and HTML show it as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~&$])", r"\\\1", show_name(text))


def _list_front(metrics: Mapping[str, Any]) -> list[str]:
    facts, about = metrics["facts"], metrics.get("about") or {}
    licensed = about.get("contact", {}).get("license")
    parts = list_parts(metrics)
    name, figures = next(iter(parts.items()))
    known = {
        HUB_METRICS[key]: figures["metrics"][key] for key in HUB_METRICS if figures["metrics"].get(key) is not None
    }
    lines = [
        "---",
        *([f"license: {quote_yaml(licensed)}"] if isinstance(licensed, str) else []),
        "library_name: sightx",
        "pipeline_tag: image-classification",
        "tags:",
        "- image-classification",
        "- sightx",
        *[f"- {quote_yaml(one)}" for one in (facts.get("network") or {}).values() if isinstance(one, str)],
    ]
    if known:
        lines += ["metrics:", *[f"- {one}" for one in known]]
        lines += [
            "model-index:",
            f"- name: {quote_yaml(_name(metrics))}",
            "  results:",
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            f"      name: {quote_yaml(facts['name'])}",
            "      type: imagefolder",
            f"      split: {quote_yaml(name)}",
            "    metrics:",
        ]
        for one, value in known.items():
            lines += [f"    - type: {one}", f"      value: {format_number(value)}"]
    return [*lines, "---"]


def _list_body(metrics: Mapping[str, Any]) -> list[str]:
    facts = metrics["facts"]
    lines = [
        f"# {escape_markdown(_name(metrics))}",
        "",
        "**Research, not a medical device.** What was measured holds for the images that were given, for no others.",
        "The whole report, with curves and pictures, is `report.html`; every number stands in `metrics.json`.",
    ]
    titles = {"purpose": "Intended use", "images": "Images", "labels": "Labels", "contact": "Responsible"}
    for key, rows in list_said(metrics.get("about") or {}).items():
        lines += ["", f"## {titles[key]}", ""]
        lines += [f"- {what}: {escape_markdown(said) if said else '*not stated*'}" for what, said in rows]
    classes = [escape_markdown(one) for one in facts["classes"][:CLASSES_LISTED]]
    more = len(facts["classes"]) - len(classes)
    lines += ["", "## The model", "", f"- {facts['described']}: {', '.join(classes)}"
              + (f" and {format_number(more)} more" if more else "")]  # fmt: skip
    lines += [f"- {what}: {escape_markdown(text)}" for what, text in list_done(metrics)]
    for name, count in facts.get("parts", {}).items():
        lines.append(f"- images, {name}: {format_number(count['images'])}")
    for name, figures in list_parts(metrics).items():
        lines += ["", f"## {head_part(name, metrics)}", "", *_list_table(figures, facts)]
    lines += ["", "## Limits", ""]
    notices = [show_name(one["text"]) for one in facts.get("notices") or ()]
    warned = [show_name(one) for one in facts.get("warnings") or ()]
    lines += [f"- {escape_markdown(one)}" for one in dict.fromkeys(warned + notices)] or ["- none was noticed"]
    return [*lines, *_list_use()]


def _list_table(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> Sequence[str]:
    head = [f"| figure | value | {facts['interval_percent']} % interval |", "|---|---|---|"]
    rows = [
        f"| {find_title(one['key'])} | {format_number(one['value'])} | {format_range(one['interval'])} |"
        for one in list_measured(figures)
    ]
    return [f"{format_number(figures['images'])} images, intervals by {figures['intervals_by']}.", "", *head, *rows]


def _list_use() -> list[str]:
    return [
        "",
        "## How to use it",
        "",
        "```",
        "sightx predict images/ --model RUN      # a table of predictions; RUN is the folder of the trained run",
        "sightx evaluate labelled/ --model RUN   # how good it is on your own images",
        "```",
    ]


def _name(metrics: Mapping[str, Any]) -> str:
    return str((metrics.get("about") or {}).get("purpose", {}).get("name") or metrics["facts"]["name"])

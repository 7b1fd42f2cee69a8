"""The report: one HTML file that opens anywhere, offline, made from metrics.json and the images that it names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from sightx_cli import runs
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.machine import measure_threads
from sightx_cli.report.about import list_said
from sightx_cli.report.decision_sections import build_abstention, build_calibration, build_threshold
from sightx_cli.report.glossary import TERMS
from sightx_cli.report.inspection_page import encode_tile
from sightx_cli.report.model_card import write_card
from sightx_cli.report.numbers import show_name
from sightx_cli.report.report_facts import PARTS
from sightx_cli.report.report_figures import draw_part, draw_training
from sightx_cli.report.report_heatmaps import Heatmaps, list_wanted
from sightx_cli.report.report_rows import (
    describe_kind,
    list_cards,
    list_commands,
    list_contents,
    list_flows,
    list_image_rows,
    list_limits,
    list_making_rows,
    list_notices,
    list_repeat_rows,
)
from sightx_cli.report.report_sections import (
    build_folds,
    build_part,
    build_per,
    build_retraining,
    build_robustness,
    list_parts,
    list_subgroups,
    list_terms,
    list_view_figures,
)
from sightx_cli.report.sheets import load_tiles
from sightx_cli.report.templates import render_template
from sightx_cli.results.findings import Picture

MOST_PICTURE_BYTES = 5_000_000
"""What all pictures of a report may take: with the drawings it stays below 8 MB."""
PART_CLASSES = 30
"""The most classes whose images are counted part by part."""
ABOUT_TITLES = {
    "purpose": "Purpose",
    "images": "Source of the images",
    "labels": "Labels (the reference standard)",
    "contact": "Responsible",
}


def write_report(
    folder: Path,
    images: Mapping[str, str] | None = None,
    reading: Reading = AS_IS,
    draw_heatmaps: Heatmaps | None = None,
) -> Path:
    """Write report.html and model_card.md of a folder whose metrics.json has facts (see `report_facts.join_facts`).

    Args:
        folder: a run, or an evaluation.
        images: the file of each image by its name, for pictures of those that metrics.json names.
        reading: how pixels are taken from the files.
        draw_heatmaps: draws them for the worst mistakes and the least sure.

    Returns: the report's path.
    """
    metrics = json.loads((folder / runs.METRICS).read_text(encoding="utf-8"))
    pictures = metrics.get("pictures", {})
    tiles, addresses = load_pictures(pictures, images or {}, reading)
    drawn = draw_heatmaps(list_wanted(pictures, metrics["facts"].get("separator", "")), tiles) if draw_heatmaps else {}
    text = render_report(metrics, addresses, {name: encode_tile(one) for name, one in drawn.items()})
    runs.write_file(folder / runs.REPORT, lambda path: path.write_text(text, encoding="utf-8"))
    write_card(metrics, folder)
    return folder / runs.REPORT


def render_report(metrics: Mapping[str, Any], tiles: Mapping[str, str], heatmaps: Mapping[str, str]) -> str:
    """Render the page; `tiles` and `heatmaps` are data addresses by the names of images."""
    from markupsafe import Markup

    drawings = {"training": _mark(draw_training(metrics["facts"]), Markup)}
    page = build_page(metrics, Markup)
    return render_template(
        "report.html",
        page=page,
        facts=metrics["facts"],
        metrics=metrics,
        drawings=drawings,
        tiles=tiles,
        heatmaps=heatmaps,
        terms=TERMS,
        part_names=PARTS,
    )


def build_page(metrics: Mapping[str, Any], mark: Callable[[str], Any]) -> dict[str, Any]:
    """Build all that the template shows beside facts and pictures."""
    from sightx_cli.task.kinds import TASKS

    facts, found = metrics["facts"], list_parts(metrics)
    headline = TASKS[facts["task"]].headline.name
    several = facts["task"] == "multi-label"
    parts = []
    for number, (name, figures) in enumerate(found.items()):
        pictures = metrics.get("pictures", {}) if not number else {}
        part = build_part(name, figures, metrics, pictures, number)
        part["drawings"] = [(key, _mark(one, mark)) for key, one in draw_part(figures, f"p{number}")]
        parts.append(part)
    about = list_said(metrics.get("about") or {})
    classes = list(facts["classes"])
    extras = {
        "threshold": build_threshold(metrics),
        "calibration": build_calibration(metrics),
        "cross_validation": build_folds(metrics),
        "abstention": build_abstention(metrics),
        "retraining": build_retraining(metrics),
        "per": build_per(metrics),
        "views": list_view_figures(metrics),
        "robustness": build_robustness(metrics, headline),
    }
    cautions, notices = list_notices(metrics)
    return {
        "title": show_name((metrics.get("about") or {}).get("purpose", {}).get("name") or facts["name"]),
        "subtitle": describe_kind(metrics),
        "cautions": cautions,
        "cards": list_cards(parts, headline),
        "contents": list_contents(parts, extras),
        "about": [(ABOUT_TITLES[name], rows) for name, rows in about.items()],
        "is_stated": any(value for rows in about.values() for _, value in rows),
        "flows": list_flows(facts),
        "part_classes": classes[:PART_CLASSES],
        "hidden_classes": max(len(classes) - PART_CLASSES, 0),
        "image_rows": list_image_rows(metrics),
        "making_rows": list_making_rows(metrics),
        "parts": parts,
        "classes": classes,
        "one_class": "label" if several else "class",
        "many_classes": "labels" if several else "classes",
        "subgroups": list_subgroups(metrics, headline),
        **extras,
        "differences": metrics.get("differences") or [],
        "limits": list_limits(metrics, parts),
        "notices": notices,
        "commands": list_commands(facts),
        "repeat_rows": list_repeat_rows(facts),
        "words": list_terms(parts),
    }


def list_pictured(pictures: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """List the images that a report shows, the most important first, some more than once."""
    yield from pictures.get("worst", ())
    yield from pictures.get("least_sure", ())
    for box in (*pictures.get("cells", ()), *pictures.get("labels", ())):
        yield from box["images"]


def load_pictures(
    pictures: Mapping[str, Any], images: Mapping[str, str], reading: Reading
) -> tuple[dict[str, Image.Image], dict[str, str]]:
    """Read small pictures of the images shown, by name, until they take `MOST_PICTURE_BYTES`; and their addresses."""
    times = Counter(one["image"] for one in list_pictured(pictures) if one["image"] in images)
    loaded = load_tiles((Picture(images[name], name, "") for name in times), measure_threads().decoding, reading)
    tiles, addresses, taken = {}, {}, 0
    for name in times:
        if images[name] in loaded:
            address = encode_tile(loaded[images[name]])
            taken += len(address) * times[name]
            if taken > MOST_PICTURE_BYTES:
                break
            tiles[name], addresses[name] = loaded[images[name]], address
    return tiles, addresses


def _mark(drawing: Any, mark: Callable[[str], Any]) -> Any:
    """Give the template a drawing whose markup it does not escape: it is made by `svg.render_svg`."""
    if drawing is None:
        return None
    return {**vars(drawing), "markup": mark(drawing.markup)}

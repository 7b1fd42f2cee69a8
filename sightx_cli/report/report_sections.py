"""What the sections of a report show, made from the content of metrics.json: rows, tables, cells, boxes of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sightx_cli.metrics.registry import METRICS, find_title
from sightx_cli.report.confusion_plot import find_confusions
from sightx_cli.report.glossary import TERMS
from sightx_cli.report.numbers import format_number, show_name
from sightx_cli.report.part_origin import describe_part, head_part
from sightx_cli.results.retrain import KeptModel

Content = Mapping[str, Any]
"""The content of metrics.json, or a part of it."""

MATRIX_CLASSES = 30
"""Up to this many classes the confusion matrix is drawn; of more, the pairs most often confused are listed."""
CLASSES_SHOWN, PAIRS_SHOWN = 30, 20
CLASS_COLUMNS = {
    "support": "images",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "precision": "precision",
    "npv": "NPV",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "threshold": "threshold",
}
"""What is shown of a class where metrics.json has it."""


def list_parts(metrics: Content) -> dict[str, Content]:
    """List the figures of each part, the one that counts most first: of an evaluation its images, of a fit test, valid.

    Classes are a list whose entries have their label.
    """
    if "metrics" in metrics:  # an evaluation
        classes = [{"label": label, **one} for label, one in metrics["classes"].items()]
        return {str(metrics["part"]): {**metrics, "classes": classes}}
    return {name: metrics[name] for name in ("test", "valid") if metrics.get(name)}


def build_part(name: str, figures: Content, metrics: Content, pictures: Content, number: int) -> dict[str, Any]:
    """Build the section of a part's figures."""
    classes = list(figures["classes"])
    confusion = np.array(figures.get("confusion") or [], dtype=np.int64)
    boxes, opened = build_boxes(pictures, f"p{number}")
    worst_first = sorted(classes, key=lambda one: 2.0 if one.get("sensitivity") is None else one["sensitivity"])
    is_long = len(classes) > CLASSES_SHOWN
    return {
        "anchor": f"part-{number}",
        "heading": head_part(name, metrics),
        "what": describe_part(name, metrics),
        "figures": {**figures, "confusion": bool(len(confusion))},
        "metrics": list_measured(figures),
        "columns": list_columns(classes),
        "with_intervals": [
            key for key in CLASS_COLUMNS if any((one.get("intervals") or {}).get(key) for one in classes)
        ],
        "shown_classes": worst_first[:CLASSES_SHOWN] if is_long else classes,
        "folded_classes": classes if is_long else [],
        "class_count": len(classes),
        "is_large": len(classes) > MATRIX_CLASSES,
        "matrix": build_matrix(confusion, [one["label"] for one in classes], opened),
        "pairs": list_confused(confusion, classes, opened) if len(classes) > MATRIX_CLASSES else [],
        "faults": [
            {**one, "opens": opened.get((one["label"], one["kind"]))} for one in pictures.get("labels", ())
        ],
        "boxes": boxes,
        "worst": pictures.get("worst", []),
        "least_sure": pictures.get("least_sure", []),
    }  # fmt: skip


def list_measured(figures: Content) -> list[dict[str, Any]]:
    """List the figures of a part that have a value, each with its words and interval."""
    return [
        {
            "key": key,
            "title": find_title(key),
            "value": value,
            "interval": figures["intervals"].get(key),
            "lower_is_better": key in METRICS and METRICS[key].lower_is_better,
        }
        for key, value in figures["metrics"].items()
        if value is not None
    ]


def list_columns(classes: Sequence[Content]) -> list[tuple[str, str]]:
    """List the columns that a table of classes has: those of which some class has a value, PPV and precision once."""
    known = [key for key in CLASS_COLUMNS if any(one.get(key) is not None for one in classes)]
    if "ppv" in known and "precision" in known:
        known.remove("precision")
    return [(key, CLASS_COLUMNS[key]) for key in known]


def build_boxes(pictures: Content, prefix: str) -> tuple[list[dict[str, Any]], dict[tuple[str, str], str]]:
    """Build the boxes of pictures that cells open, and which of them belongs to each pair (truth, said)."""
    boxes, opened = [], {}
    for number, one in enumerate((*pictures.get("cells", ()), *pictures.get("labels", ()))):
        if not one["images"]:
            continue
        said = one.get("prediction") or one["kind"]
        mark, label = f"{prefix}-cell-{number}", show_name(one["label"])
        title = f"{label}: {said}" if "kind" in one else f"{label}, called {show_name(said)}"
        images = [{"label": one["label"], **image} for image in one["images"]]
        boxes.append({"id": mark, "title": title, "count": one["count"], "images": images})
        opened[one["label"], said] = mark
    return boxes, opened


def build_matrix(confusion: Any, names: Sequence[str], opened: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Build the rows of the confusion matrix; none of a large one."""
    if not len(confusion) or len(names) > MATRIX_CLASSES:
        return []
    shares = confusion / confusion.sum(axis=1, keepdims=True).clip(min=1)
    return [
        {
            "label": name,
            "cells": [
                {
                    "prediction": other,
                    "count": int(confusion[row, column]),
                    "share": round(float(shares[row, column]), 3),
                    "opens": opened.get((name, other)) if confusion[row, column] else None,
                }
                for column, other in enumerate(names)
            ],
        }
        for row, name in enumerate(names)
    ]


def list_confused(
    confusion: Any, classes: Sequence[Content], opened: Mapping[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """List the pairs of classes most often confused."""
    names = [one["label"] for one in classes]
    return [
        {
            "label": names[row],
            "prediction": names[column],
            "count": count,
            "support": total,
            "opens": opened.get((names[row], names[column])),
        }
        for row, column, count, total in find_confusions(confusion, PAIRS_SHOWN)
    ] if len(confusion) else []  # fmt: skip


def list_subgroups(metrics: Content, headline: str) -> list[dict[str, Any]]:
    """List the tables of subgroups, by the figure that people ask for first."""
    return [
        {
            "column": column,
            "title": find_title(headline),
            "rows": [
                {
                    **one,
                    "figure": one["metrics"].get(headline),
                    "interval": one["intervals"].get(headline),
                }
                for one in groups
            ],
        }
        for column, groups in (metrics.get("by") or {}).items()
    ]


def build_folds(metrics: Content) -> dict[str, Any] | None:
    """Build the section of the cross-validated figures; None where there are no folds."""
    found = metrics.get("cross_validation")
    if not found:
        return None
    return {"folds": found["folds"], "model": found["model"], "figures": found, "metrics": list_measured(found)}


def build_retraining(metrics: Content) -> dict[str, Any] | None:
    """Build the section of a fit that started from an earlier run: what changed, and both on the same images."""
    found = metrics.get("from")
    if not found:
        return None
    before, after = found.get("before") or {}, found.get("after") or {}
    rows = [
        {
            "key": key,
            "title": find_title(key),
            "before": value,
            "after": after["metrics"].get(key),
            "intervals": [part["intervals"].get(key) for part in (before, after)],
        }
        for key, value in (before.get("metrics") or {}).items()
        if value is not None
    ]
    kept = KeptModel(**found["kept"]).describe() if found.get("kept") else ""
    return {"images": found["images"], "compared_on": found["compared_on"], "rows": rows, "kept": kept}


def list_view_figures(metrics: Content) -> list[dict[str, Any]]:
    """List the figures by the plain view alone beside those averaged over views; none where one view was taken."""
    plain = (metrics.get("tta") or {}).get("plain") or {}
    return [
        {"key": key, "title": find_title(key), "plain": value, "value": metrics["metrics"].get(key)}
        for key, value in (plain.get("metrics") or {}).items()
        if value is not None
    ]


def build_per(metrics: Content) -> dict[str, Any] | None:
    """Build the section of units of several images, such as patients; None where none were asked for."""
    per = metrics.get("per")
    if not per:
        return None
    figures = per["figures"]
    return {"column": per["column"], "rule": per["rule"], "figures": figures, "metrics": list_measured(figures)}


def build_robustness(metrics: Content, headline: str) -> dict[str, Any] | None:
    """Build the table of changed images: the headline figure first, and up to two more; None where none was made."""
    found = metrics.get("robustness")
    if not found:
        return None
    first = found["changes"][0]["metrics"]
    wanted = dict.fromkeys((headline, "balanced_accuracy", "quadratic_kappa", "roc_auc", "macro_roc_auc", "loss"))
    keys = [key for key in wanted if first.get(key) is not None][:4]
    return {**found, "keys": [(key, find_title(key)) for key in keys]}


def list_terms(parts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """List the terms that the report uses, each in words, by the alphabet."""
    used = {one["key"] for part in parts for one in part["metrics"]}
    used |= {key for part in parts for key, _ in part["columns"]}
    used |= {"interval", "groups", "confusion", "leak", "selected_on", "prevalence", "calibration", "epoch", "network"}
    titles = {key: CLASS_COLUMNS.get(key) or find_title(key) for key in used} | {
        "confusion": "confusion matrix",
        "selected_on": "chosen on the same images",
        "support": "images of a class",
    }
    return sorted((titles[key], TERMS[key]) for key in used if key in TERMS)


def say_value(value: Any) -> str:
    """Write a value of a fact in words: none, yes, a number, a list."""
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {say_value(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(say_value(one) for one in value)
    return format_number(value) if isinstance(value, int | float) else str(value)

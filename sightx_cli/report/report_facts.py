"""What a report says of a model beside its figures, gathered from the files of its run and kept in metrics.json."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.data.cells import unshield_cell
from sightx_cli.filesystem import check_ordinary, read_ordinary
from sightx_cli.task.label_text import count_names
from sightx_cli.version import VERSION

LEFT_OUT = {
    "excluded": "on the list given with --exclude",
    "repeated-rows": "rows of the table that repeat another",
    "unlabelled": "no label",
    "without-label": "no label",
    "other-folders": "in folders beside the ones used",
    "other-files": "of a kind that is not read as an image",
    "misnamed-files": "names that are not valid text",
    "broken-links": "links that lead nowhere",
    "unknown-classes": "a class that the model does not know",
}
"""Kinds of notices that count images which are in no figure, in words; what is unreadable is counted by itself."""
HARMLESS = ("duration", "classes", "columns")
"""Kinds of notices that a report does not repeat."""
PARTS = {"train": "training", "valid": "validation", "test": "test"}
INTERVAL_PERCENT = 95


def gather_run_facts(run: Path) -> dict[str, Any]:
    """Gather what the files of a run say of the model: plan, images, training, weights, versions.

    A file that is missing or damaged leaves its part out. Nothing of it depends on when or where the run was made: a
    fit that was stopped and went on has the same metrics.json as one that was not.
    """
    plan, fingerprint = (_read_json(run / name) for name in (runs.PLAN, runs.FINGERPRINT))
    bundle, environment = (_read_json(run / name) for name in (f"{runs.BUNDLE}/{runs.BUNDLE_FACTS}", runs.ENVIRONMENT))
    values = plan.get("values", {})
    rows = _read_rows(run / runs.SPLIT)
    return {
        "recipe": plan.get("recipe"),
        "sentence": plan.get("sentence"),
        "command": strip_place(plan.get("command")),
        "plan": describe_values(run, plan),
        "evidence": [
            {"key": key, "value": _word(one["value"]), "evidence": one["evidence"]}
            for key, one in values.items()
            if one.get("evidence")
        ],
        "preprocessing": {name: bundle.get(name) for name in ("size_px", "fit", "mean", "std", "grey", "reading")},
        "network": {"backbone": bundle.get("backbone"), "head": bundle.get("head")},
        "temperature": bundle.get("temperature"),
        "decision": bundle.get("decision"),
        "weights": {name: _value(values, f"weights.{name}") for name in ("origin", "digest")},
        "files": {name: one for name, one in bundle.get("files", {}).items() if name == runs.BUNDLE_WEIGHTS},
        "flow": build_flow(
            fingerprint.get("images", 0),
            [str(one["error"]) for one in fingerprint.get("unreadable", [])],
            plan.get("notices", []),
        ),
        "parts": count_parts(rows, bundle.get("task", {}).get("separator", "")),
        "sizes": {name: fingerprint.get(name) for name in ("width_px", "height_px", "modes", "bits", "formats")},
        "groups": fingerprint.get("groups"),
        "group_by": _value(values, "data.group_by"),
        "resplit": _value(values, "data.resplit"),
        "source_kind": fingerprint.get("source_kind"),
        "seed": _value(values, "seed"),
        "metric": _value(values, "training.metric"),
        "folds": _value(values, "cross_validation.folds"),
        "history": [_to_numbers(row) for row in _read_rows(run / runs.HISTORY)],
        "notices": [one for one in plan.get("notices", []) if one.get("kind") not in HARMLESS],
        "environment": {name: value for name, value in environment.items() if name != "weights"},
    }


def strip_place(command: str | None) -> str | None:
    """Return a command without the folder that it writes to, which makes no difference to what it measures."""
    if command is None:
        return None
    words = shlex.split(command)
    while "--out" in words:
        place = words.index("--out")
        del words[place : place + 2]
    return shlex.join(word for word in words if word != "--overwrite")


def describe_values(run: Path, plan: Mapping[str, Any]) -> list[list[str]]:
    """Say the plan in words, rows of (what, text), as `fit` shows it before training; none where it is damaged."""
    from sightx_cli.errors import SightXError
    from sightx_cli.recipe.plan import Plan, PlanValue
    from sightx_cli.recipe.recipe import load_recipe
    from sightx_cli.recipe.words import describe_plan

    try:
        recipe = load_recipe(run / runs.RECIPE)
        values = {
            key: PlanValue(one["value"], one["origin"], one.get("evidence", "")) for key, one in plan["values"].items()
        }
        whole = Plan(recipe, plan["recipe_origin"], values, plan["sentence"], plan["reason"])
        return [list(row) for row in describe_plan(whole)]
    except (SightXError, KeyError, TypeError):
        return []


def build_flow(
    read: int, errors: Sequence[str], notices: Sequence[Mapping[str, Any]], judged: int | None = None
) -> dict[str, Any]:
    """Count what became of the images: found, unreadable and left out by reason, used; of `read` images, `judged`."""
    unreadable = Counter(map(_name_reason, errors))
    told: Counter[str] = Counter()
    for notice in notices:
        if notice.get("kind") in LEFT_OUT and notice.get("count"):
            told[LEFT_OUT[notice["kind"]]] += notice["count"]
    used = read if judged is None else judged
    copies = sum(one["count"] for one in notices if one.get("kind") == "copies")
    within = sum(one["count"] for one in notices if one.get("kind") in ("unknown-classes", "without-label"))
    return {
        "found": read + sum(unreadable.values()) + sum(told.values()) - (within if judged is not None else 0),
        "unreadable": dict(unreadable),
        "left_out": dict(told),
        "copies": copies,
        "used": used,
    }


def _name_reason(error: str) -> str:
    """Name why a file cannot be read in a few words: without what differs from file to file."""
    if error.endswith(os.strerror(errno.ENOENT)):
        return "there is no such file"
    return re.split(r":| \(", error)[0].strip() or "cannot be read"


def count_parts(rows: Sequence[Mapping[str, str]], separator: str = "") -> dict[str, Any]:
    """Count the images, groups and classes of each part by the rows of split.csv.

    Where an image may have several labels, `separator` joins them, and each label is counted by itself.
    """
    found = {}
    for part in PARTS:
        own = [row for row in rows if row.get("split") == part]
        if own:
            groups = {row.get("group") for row in own} - {"", None}
            classes = count_names([str(row.get("label", "")) for row in own], separator)
            found[part] = {"images": len(own), "groups": len(groups), "classes": dict(sorted(classes.items()))}
    return found


def join_facts(
    metrics: dict[str, Any], run_facts: Mapping[str, Any], about: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """Return the content of metrics.json with what the report says beside figures, under `facts`."""
    facts = {"made_by": f"SightX {VERSION}", "interval_percent": INTERVAL_PERCENT, **run_facts, **more}
    return {**metrics, "about": about, "facts": facts}


def _value(values: Mapping[str, Any], key: str) -> Any:
    return values.get(key, {}).get("value")


def _word(value: Any) -> str:
    from sightx_cli.recipe.names import show_value

    return value if isinstance(value, str) else "none" if value in (None, [], ()) else show_value(value)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_ordinary(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        check_ordinary(path)
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: unshield_cell(cell or "") for name, cell in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error):
        return []


def _to_numbers(row: Mapping[str, str]) -> dict[str, Any]:
    """Give the cells of a history row that are numbers as such; empty ones and NaN as None."""
    found: dict[str, Any] = {}
    for name, cell in row.items():
        if name == "seconds":
            continue
        try:
            number = float(cell)
        except (TypeError, ValueError):
            found[name] = cell or None
            continue
        found[name] = None if number != number else int(number) if name in ("epoch", "epochs") else number
    return found

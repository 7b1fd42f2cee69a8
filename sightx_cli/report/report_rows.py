"""What a report says in words and rows of the images, the making of the model, its limits and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sightx_cli.report.numbers import format_number, show_name
from sightx_cli.report.report_sections import say_value
from sightx_cli.report.training_done import list_done


def describe_kind(metrics: Mapping[str, Any]) -> str:
    """Say what the report is about in a line."""
    facts = metrics["facts"]
    what = f"recipe {facts['recipe']}" if facts.get("recipe") else "a model"
    if "metrics" in metrics:
        return f"An evaluation of {what} on {show_name(facts['name'])}: {facts['described']}"
    return f"A model trained by {what}: {facts['described']}"


def list_cards(parts: Sequence[Mapping[str, Any]], headline: str) -> list[dict[str, Any]]:
    """List the key figures of the first part: the headline, and up to three more."""
    wanted = [headline, "balanced_accuracy", "roc_auc", "quadratic_kappa", "macro_roc_auc", "calibration_error"]
    known = {one["key"]: one for one in parts[0]["metrics"]}
    of = f"{format_number(parts[0]['figures']['images'])} images"
    return [{**known[key], "of": of} for key in dict.fromkeys(wanted) if key in known][:4]


def list_contents(parts: Sequence[Mapping[str, Any]], extras: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the sections with their anchors; `extras` are those that a page may lack."""
    figures = [(part["anchor"], part["heading"]) for part in parts]
    before = [("purpose", "What it is for"), ("images", "The images"), ("making", "How the model was made")]
    extra = [
        (anchor, name)
        for key, anchor, name in (
            ("threshold", "threshold", "A threshold"),
            ("calibration", "calibration", "Calibration"),
            ("cross_validation", "folds", "Cross-validation"),
            ("abstention", "abstention", "When it does not know"),
            ("retraining", "earlier", "The earlier run"),
            ("views", "views", "Several views"),
            ("per", "units", "Units"),
            ("robustness", "robustness", "Changed images"),
        )
        if extras.get(key)
    ]
    after = [("limits", "Limits"), ("repeat", "How to repeat it"), ("words", "The words")]
    return [*before, *figures, *extra, ("subgroups", "Subgroups"), *after]


def list_flows(facts: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """List what became of the images, of those the model was made of, and of those it is judged on."""
    flows = []
    if facts.get("judged_flow"):
        flows.append(("The images measured here", facts["judged_flow"]))
    if facts.get("flow"):
        parts = {name: one["images"] for name, one in facts.get("parts", {}).items()}
        title = "The images that the model was made of"
        flows.append((title, {**facts["flow"], "parts": parts}))
    return flows


def list_image_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List how the images were split, whether the parts leak, and what the files are."""
    facts = metrics["facts"]
    unit = f"by group ({show_name(facts['group_by'])})" if facts.get("group_by") else "by image, no groups named"
    given = {"split-folders": "given as folders", "table": "by the table, or set aside"}
    rows = [
        ("split", f"{unit}; {given.get(facts.get('source_kind') or '', 'set aside at random where none was given')}"),
        ("seed", say_value(facts.get("seed"))),
        ("leak check", describe_leaks(metrics)),
    ]
    sizes = facts.get("sizes") or {}
    for what, key in (("width in pixels", "width_px"), ("height in pixels", "height_px")):
        if one := sizes.get(key):
            rows.append((what, f"{one['min']:,} to {one['max']:,}, median {one['median']:,}"))
    for what, key in (("colour mode", "modes"), ("bits per channel", "bits"), ("file format", "formats")):
        if sizes.get(key):
            rows.append((what, ", ".join(f"{show_name(name)} ({count:,})" for name, count in sizes[key].items())))
    return rows if facts.get("recipe") else rows[2:]


def describe_leaks(metrics: Mapping[str, Any]) -> str:
    """Say what the check for leaks found."""
    leaks = metrics.get("leaks")
    if "metrics" in metrics:
        count = metrics.get("trained_on", 0)
        if count is None:
            return "not known: the run has no list of the images that it was trained on (split.csv)"
        said = f"{count:,} of these images were trained on" if count else "none of these images was trained on"
        return f"{said}, by their bytes{_describe_trained_groups(metrics.get('trained_groups'))}"
    if not leaks:
        return "no file and no group is on both sides of the split"
    found = [
        f"{leaks[key]:,} {one if leaks[key] == 1 else many} on both sides of the split"
        for key, one, many in (("files", "file is", "files are"), ("groups", "group is", "groups are"))
        if leaks.get(key)
    ]
    if leaks.get("group_by"):
        found.append(f"groups by {show_name(leaks['group_by'])}, which names or tags suggest")
    found = found or ["no file and no group is on both sides of the split"]
    if leaks.get("copies"):
        among = leaks["copies_among"]
        found.append(
            f"{leaks['copies']:,} of the {among:,} validation images most like a training image are copies of it"
        )
    return "; ".join([*found, *(["allowed with --allow-leaks"] if leaks.get("allowed") else [])])


def _describe_trained_groups(shared: Mapping[str, Any] | None) -> str:
    """Say of the groups compared how many images have one that was trained on; nothing where none were compared."""
    if shared is None:
        return ""
    name = show_name(shared["by"])
    if not shared["images"]:
        return f", and none of their groups, by {name}"
    count = shared["images"]
    return f"; {count:,} of them {'have' if count != 1 else 'has'} a group, by {name}, that was trained on"


def list_making_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List how the model was made: what was trained, how the epoch was chosen, the plan, preprocessing, weights."""
    facts = metrics["facts"]
    rows = list_done(metrics)
    pre, weights = facts.get("preprocessing") or {}, facts.get("weights") or {}
    rows += [("recipe", facts.get("recipe")), ("preprocessing", _describe_preprocessing(pre))]
    if facts.get("network", {}).get("head"):
        rows.append(("head", say_value(facts["network"]["head"])))
    if weights.get("digest"):
        rows.append(("weights", f"{show_name(weights.get('origin'))}; SHA-256 {weights.get('digest')}"))
    if facts.get("temperature") is not None:
        rows.append(("temperature", say_value(facts["temperature"])))
    return [(what, text) for what, text in rows if text]


def _describe_preprocessing(pre: Mapping[str, Any]) -> str:
    if not pre.get("size_px"):
        return ""
    means, spreads = (", ".join(map(format_number, pre[name])) for name in ("mean", "std"))
    words = {"crop": "centre cut out", "pad": "padded to a square", "squash": "squeezed into a square"}
    reading = {key: one for key, one in (pre.get("reading") or {}).items() if one not in (None, [], False)}
    read = f"; reading: {say_value(reading)}" if reading else ""
    fit = words.get(pre["fit"], pre["fit"])
    return f"{pre['size_px']:,} px, {fit}; normalised with mean {means} and standard deviation {spreads}{read}"


def list_limits(metrics: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """List what the figures leave open."""
    lines = []
    if "metrics" not in metrics:
        lines.append(
            "No images from elsewhere were measured: how the model does at another site, with another device or later "
            "is open. sightx evaluate measures it."
        )
    first = parts[0]
    if first["figures"]["intervals_by"] == "images":
        lines.append(
            "No groups were named, so every image counts as independent evidence. Where several images are of one "
            "patient, the intervals are too narrow: name the patient with --group-by."
        )
    smallest = min(first["shown_classes"], key=lambda one: one["support"], default=None)
    if smallest is not None:
        count = smallest["support"]
        name = show_name(smallest["label"])
        whole = first["figures"]["images"]
        lines.append(
            f"The fewest images are of {name}, {count:,} of {whole:,}: the intervals of its figures say how much "
            "precision that allows."
        )
    return lines


def list_notices(metrics: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """List warnings, which stand at the head of the page, and what else was noticed."""
    facts = metrics["facts"]
    warned = list(dict.fromkeys(show_name(text) for text in facts.get("warnings") or ()))
    others = [show_name(one["text"]) for one in facts.get("notices") or ()]
    return warned[:3], [*warned[3:], *(text for text in dict.fromkeys(others) if text not in warned)]


def list_commands(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the commands that make the same again."""
    wanted = (("The model:", facts.get("command")), ("This evaluation:", facts.get("evaluation_command")))
    return [(what, command) for what, command in wanted if command]


def list_repeat_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List versions and machine."""
    environment = facts.get("environment") or {}
    packages = environment.get("packages") or {}
    rows = [(name, str(version)) for name, version in packages.items() if version]
    return [(key, str(environment[key])) for key in ("python", "platform", "processor", "threads", "device")
            if environment.get(key)] + rows + [("kept beside", "predictions of every image, as CSV")]  # fmt: skip

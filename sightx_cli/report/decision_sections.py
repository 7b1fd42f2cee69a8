"""What a report shows of decisions: a threshold and what it reaches, calibration before and after, abstention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sightx_cli.metrics.registry import find_title
from sightx_cli.report.numbers import format_number, show_name

Content = Mapping[str, Any]

COUNTS = {
    "true_positives": "positive, and found",
    "false_negatives": "positive, and missed",
    "false_positives": "false alarms",
    "true_negatives": "negative, and called so",
}
SHARES = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}
FITTED_ON = {
    "valid": "the validation images",
    "the valid part": "the validation images",
    "out of fold": "predictions of cross-validation (out of fold)",
}


def build_threshold(metrics: Content) -> dict[str, Any] | None:
    """Build the section of a threshold and what it reaches here; None where no class counts as positive."""
    found = metrics.get("thresholds")
    if not found or not found.get("reached"):
        return None
    reached, wished = found["reached"], found.get("wished") or {}
    positives = ", ".join(map(show_name, found["positives"]))
    text = f"Positive: {positives}, from a probability of {format_number(float(found['threshold']))} on"
    if found.get("chosen_on"):
        text += f", chosen for {found['chosen']} on {FITTED_ON.get(found['chosen_on'], found['chosen_on'])} of the fit"
        text += f", {wished['chosen_on']:,} of them counting" if wished else ""
        is_valid = FITTED_ON.get(found["chosen_on"]) == FITTED_ON["valid"]
        if same := metrics["facts"].get("chosen_on") if is_valid else metrics.get("trained_on"):
            text += f"; {same:,} of the images here are among these, so what it reaches is a little flattered"
    else:
        text += f" ({found['chosen']}; nothing was chosen)"
    rows = [
        {"key": key, "title": title, "value": reached["figures"].get(key), "interval": reached["intervals"].get(key)}
        for key, title in SHARES.items()
    ]
    counts = [(words, reached[key]) for key, words in COUNTS.items() if key in reached]
    if reached.get("cost") is not None:
        counts.append(("mean cost of an image", reached["cost"]))
    kept = "The run decides by it from now on." if found.get("kept") else ""
    return {"text": f"{text}. {kept}".strip(), "rows": rows, "counts": counts, "prevalences": list_prevalences(reached)}


def list_prevalences(reached: Content) -> list[dict[str, Any]]:
    """List the predictive values at each stated prevalence."""
    return [dict(one) for one in reached.get("at_prevalences") or ()]


def build_calibration(metrics: Content) -> dict[str, Any] | None:
    """Build the table of figures before and after the temperature; None where none was looked for."""
    found = metrics.get("calibration")
    if not found or not found.get("before"):
        return None
    on = FITTED_ON.get(found["fitted_on"], found["fitted_on"])
    text = (
        f"Temperature {format_number(float(found['temperature']))}, fitted on {found['images']:,} images: {on}."
        if found["fitted_on"]
        else "There were too few images to fit a temperature on: probabilities are left as they are."
    )
    if found["fitted_on"] and found.get("cross_fitted"):
        text += (
            " What stands under after is of temperatures fitted on other images of the same part; the part's own "
            "figures are by the one that was fitted on these same images, and flattered by it."
        )
        before, after = found["before"].get("loss"), found["after"].get("loss")
        if before is not None and after is not None and after >= before:
            text += (
                " These images show no gain. It is used all the same: left out wherever none shows, probabilities of "
                "new images are worse on average."
            )
    keys = [key for key, value in found["before"].items() if value is not None]
    rows = [
        {"key": key, "title": find_title(key), "before": found["before"][key], "after": found["after"].get(key)}
        for key in keys
    ]
    return {"text": text, "rows": rows}


def build_abstention(metrics: Content) -> dict[str, Any] | None:
    """Build the section of images that the model should not decide alone; None where nothing tells them.

    A fit has what tells them, an evaluation how many there are, and the figures without them.
    """
    found = metrics.get("abstention")
    if not found:
        return None
    rows = []
    for key, words in (
        ("level", "the classes that stay possible hold the true one in this share"),
        ("measured_on", "measured on"),
        ("images", "images that it was measured on"),
        ("sure", "sure images"),
        ("unsure", "unsure images"),
        ("unfamiliar", "images that look unfamiliar"),
        ("familiar_images", "training images kept to compare with"),
    ):
        value = found.get(key)
        if value not in (None, ""):
            rows.append((words, FITTED_ON.get(value, value) if isinstance(value, str) else format_number(value)))
    if pooled := found.get("pooled"):
        names = ", ".join(map(show_name, pooled))
        rows.append(("classes with too few images for a measure of their own", names))
    return {"rows": rows, "figures": list_sure_figures(metrics, found.get("of_sure"))}


def list_sure_figures(metrics: Content, sure: Content | None) -> list[dict[str, Any]]:
    """List the figures of all images beside those of the sure ones."""
    if not sure:
        return []
    return [
        {"key": key, "title": find_title(key), "all": metrics["metrics"].get(key), "value": value,
         "interval": (sure.get("intervals") or {}).get(key)}
        for key, value in sure["metrics"].items()
        if value is not None
    ]  # fmt: skip

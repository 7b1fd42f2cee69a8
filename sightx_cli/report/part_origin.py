"""What a report says of where a part's images come from: what was trained, chosen and decided on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sightx_cli.report.numbers import format_number, show_name
from sightx_cli.report.report_facts import PARTS

Content = Mapping[str, Any]
"""The content of metrics.json, or a part of it."""


def head_part(name: str, metrics: Content) -> str:
    """Name a part's section."""
    if "metrics" in metrics:
        return "How good it is" if name == "all" else f"How good it is: the {PARTS.get(name, name)} part"
    return f"How good it is: the {PARTS.get(name, name)} images"


def describe_part(name: str, metrics: Content) -> str:
    """Say which images a part's figures are of, what was chosen on them, and which threshold decided, if one did."""
    decided = metrics.get("decided_by")
    if decided and len(metrics.get("classes") or ()) == 2:
        return f"{describe_part(name, {**metrics, 'decided_by': None})} {describe_decider(decided)}"
    if "metrics" in metrics:
        count = metrics.get("trained_on", 0)
        if count is None:
            return (
                "Whether the model was trained on some of these images, or its best epoch chosen on them, is not "
                "known: its run has no list of its own images (split.csv). If so, the figures are flattered."
            )
        if count:
            return f"The model was trained on {count:,} of these images, so its figures are flattered."
        if shared := (metrics.get("trained_groups") or {}).get("images"):
            return (
                f"The model was not trained on these images, but on others whose group {shared:,} of them have: if "
                "these are the same patients, or parts, the figures are flattered."
            )
        if chosen := metrics["facts"].get("chosen_on"):
            return (
                f"The best epoch of the model was chosen on {chosen:,} of these images, so the figures are a little "
                "flattered (internal validation)."
            )
        return "Images that the model was not trained on, and on which nothing was chosen (external or later testing)."
    if name == "test":
        return "Images set aside from the start: nothing was trained on them, and nothing was chosen on them."
    if metrics.get("selected_on"):
        return (
            "Images held out of training. The best epoch was chosen on these same images, so the figures are a little "
            "flattered (internal validation)."
        )
    return "Images held out of training (internal validation)."


def describe_decider(decided: Content) -> str:
    """Say which stored threshold decided the class of each image, and which figures do not depend on it."""
    together = " or ".join(map(show_name, decided["positive"]))
    edge = format_number(float(decided["threshold"]))
    return (
        f"The class of each image is decided by the threshold that the run stores ({together} from a probability of "
        f"{edge} on), likelier or not; figures of ranking and of probabilities do not depend on it."
    )

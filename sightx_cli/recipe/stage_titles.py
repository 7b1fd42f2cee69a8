"""The title of a training stage, for people."""

from __future__ import annotations

SOLVED = "solved head"
"""What the history calls the head before it trains."""

CARRIED = "head of the earlier run"
"""The same, of a fit that starts from a run."""

WHOLE = {"all": "the whole network", "scratch": "the whole network, from random weights"}
"""Titles in words."""


def describe_stage(title: str, has_epochs: bool) -> str:
    """Say what a stage trains: "stage 2 of 2: last 2 stages and head" for "2 of 2: last:2"; other names as they are."""
    if not has_epochs:
        return "linear head, fitted directly (starting point)" if title == SOLVED else title
    number, colon, name = title.rpartition(": ")
    kind, _, count = name.partition(":")
    part = {"last": "stage", "last-blocks": "block"}.get(kind)
    if name in WHOLE:
        name = WHOLE[name]
    elif count.endswith("%"):
        name = f"last {count} of the layers and head"
    elif part and count:
        name = f"last {part} and head" if count == "1" else f"last {count} {part}s and head"
    return f"stage{' ' + number if colon else ''}: {name}"

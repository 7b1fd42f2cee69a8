"""What was trained, in words: by the history of a run, where the plan says what was to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sightx_cli.metrics.registry import find_title
from sightx_cli.recipe.stage_titles import CARRIED, SOLVED, describe_stage

PLANNED = ("trains", "ends early", "epoch kept")
"""Rows of the plan that a report has from the history instead."""
BEFORE_EPOCHS = {SOLVED: "the linear head, fitted directly to its least loss", CARRIED: "the head of the earlier run"}


def list_done(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List how the model was made: what was trained and which epoch was kept, then what else the plan says.

    Of a run whose history is damaged the plan is all there is.
    """
    facts = metrics["facts"]
    plan = [(str(what), str(text)) for what, text in facts.get("plan", ())]
    history, best = facts.get("history"), metrics.get("best") or facts.get("best")
    if history:
        plan = [("trained", describe_history(history)), *(row for row in plan if row[0] not in PLANNED)]
    if best:
        kept = describe_kept_epoch(str(best["stage"]), int(best["epoch"]))
        by = f"the best by {find_title(best['metric'])} on the validation images"
        plan = [row for row in plan if row[0] != "epoch kept"] + [("epoch kept", f"{kept}: {by}")]
    return plan


def describe_history(history: Sequence[Mapping[str, Any]]) -> str:
    """Say what was trained, in order, and of how many of the epochs that were planned."""
    steps = []
    for title, epochs in groupby(history, key=lambda row: str(row["stage"])):
        last = list(epochs)[-1]
        done, planned = int(last["epoch"] or 0), int(last["epochs"] or 0)
        if not planned:
            steps.append(BEFORE_EPOCHS.get(title, title))
            continue
        many = f"{done:,} epoch{'s' * (done != 1)}" if done == planned else f"{done:,} of {planned:,} epochs"
        steps.append(f"{describe_stage(title, True)} for {many}{'' if done == planned else ', then ended'}")
    return "; ".join(steps)


def describe_kept_epoch(stage: str, epoch: int) -> str:
    """Name the epoch whose weights the model has."""
    if not epoch:
        return BEFORE_EPOCHS.get(stage, stage)
    return f"{describe_stage(stage, True)}, epoch {epoch:,}"

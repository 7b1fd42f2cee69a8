"""What a choice was measured by, in words: a value, and what was chosen against what."""

from __future__ import annotations

from collections.abc import Sequence

from sightx_cli.metrics.registry import LOSS, find_title
from sightx_cli.recipe.settings import SIZE
from sightx_cli.results.probe import Trial


def describe_value(key: str, value: object) -> str:
    """Say a value as people do: 384 px, taps all, class weights balanced."""
    if key == SIZE:
        return f"{value} px"
    return f"{key.rpartition('.')[2].replace('_', ' ')} {value}"


def describe_evidence(key: str, trials: Sequence[Trial], own: str) -> str:
    """Say what was chosen and against what: "384 px: kappa 0.69 ± 0.03 against 0.58 ± 0.03 at 224"."""
    chosen = next(trial for trial in trials if trial.chosen)
    others = [trial for trial in trials if trial is not chosen]
    against = next((trial for trial in others if trial.value == own), None)
    listed = [against] if against else others
    behind = [trial for trial in listed if (trial.log_loss_behind or 0) > 0]
    loss = f", log loss {behind[0].log_loss_behind:.2f} ± {behind[0].log_loss_error:.2f} lower" if behind else ""
    loss = loss if not chosen.log_loss_behind and chosen.metric != LOSS.name else ""
    said = ", ".join(f"{trial.describe()} {'at' if key == SIZE else 'with'} {trial.value}" for trial in listed)
    return f"{describe_value(key, chosen.value)}: {find_title(chosen.metric)} {chosen.describe()} against {said}{loss}"

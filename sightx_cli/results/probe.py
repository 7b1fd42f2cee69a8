"""The result of `probe`, and of the probe before a fit: quick heads on cached features, one for each choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object
from sightx_cli.results.learning_curve import LearningCurve


@dataclass(frozen=True)
class Trial:
    """One value of one setting, measured: mean over the folds, standard error of that mean, what it cost."""

    setting: str
    value: str
    metric: str
    mean: float
    standard_error: float
    seconds: float
    log_loss_behind: float | None = None
    """How much larger its log loss is than that of the value with the least; None where that does not count."""
    log_loss_error: float | None = None
    """The standard error of that difference, over the same images (or groups of them)."""
    chosen: bool = False

    def describe(self) -> str:
        """Say the figure with its standard error: 0.69 ± 0.03."""
        return f"{self.mean:.2f} ± {self.standard_error:.2f}" if self.standard_error >= 0.005 else f"{self.mean:.3f}"


@dataclass(frozen=True)
class ProbedChoices:
    """What quick heads on cached features say of a recipe's choices."""

    metric: str
    """What the choices go by."""
    images: int
    """How many of the train part were looked at."""
    choices: tuple[Trial, ...]
    chosen: Mapping[str, Any]
    """What departs from the recipe, by its dotted key."""
    evidence: tuple[str, ...]
    skipped: tuple[str, ...]
    """What was not tried, and why: a line each."""
    dropped: tuple[str, ...]
    """What was measured on some of the images only, and why: a line each."""
    budget_seconds: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `probe` in a fit."""
        found = to_object(vars(self))
        return found | {"budget_seconds": round(self.budget_seconds, 1), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class StageFigure:
    """What a head makes of one stage's output alone, and of all outputs up to it, each with its standard error."""

    stage: str
    alone: float | None
    alone_error: float
    up_to: float | None
    up_to_error: float


@dataclass(frozen=True)
class ProbeResult:
    """What quick heads on cached features say of a recipe's choices, and of the network's stages."""

    recipe: str
    probed: ProbedChoices
    depth: tuple[StageFigure, ...]
    """The stages, earliest first; none of a network that runs as one."""
    freezing: str
    """In one line, where freezing pays."""
    picture: Path
    seconds: Mapping[str, float]
    learning_curve: LearningCurve | None = None
    """Whether more images would help; None where it was not asked for."""
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `probe`."""
        found = to_object(vars(self))
        if self.learning_curve is None:
            del found["learning_curve"]
        return {"recipe": self.recipe, **found.pop("probed"), **found}

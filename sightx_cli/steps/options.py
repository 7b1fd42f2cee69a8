"""What the user asked for, as typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightx_cli.model.weights_file import WeightsFile, build_weights_file
from sightx_cli.recipe.overrides import join_overrides


@dataclass(frozen=True)
class Request:
    """What the user asked of `fit` or `lr-find`, as typed."""

    source: str
    recipe: str = "auto"
    shift: str | None = None
    profile: str | None = None
    backbone: str | None = None
    weights: Path | None = None
    weights_mean: float | Sequence[float] | None = None
    weights_std: float | Sequence[float] | None = None
    weights_prefix: str | None = None
    settings: Sequence[str] = ()
    rate: float | str | None = None
    out: Path | None = None
    overwrite: bool = False
    seed: int = 0
    device: str = "auto"
    group_by: str | None = None
    engine: str = "auto"
    cache: bool = True
    exclude: Path | None = None
    resplit: bool = False
    allow_leaks: bool = False
    folds: int | None = None
    """Of the cross-validation; None for what the number of images asks for, 0 for none."""
    probe: bool = True

    def overrides(self) -> list[str]:
        """Return all that departs from the recipe, in the form of --set; raises UsageError for what is said twice."""
        named = {"image.profile": ("--profile", self.profile), "model.backbone": ("--backbone", self.backbone)}
        return join_overrides(named, self.settings)

    def weights_file(self) -> WeightsFile | None:
        """Return the weights file with how to read it; raises WeightsError where that makes no sense."""
        return build_weights_file(self.weights, self.weights_mean, self.weights_std, self.weights_prefix)

"""The recipe that an audit counts by: one that is named, or a backbone's own: frozen, with a linear head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sightx_cli.errors import UsageError
from sightx_cli.metrics.registry import ACCURACY
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden, join_overrides
from sightx_cli.recipe.recipe import Recipe, parse_recipe

BARE_KEYS = ("image.size_px", "model.head", "model.grey")
"""What can be set for a network without a recipe."""


def build_audited_recipe(recipe: str | None, backbone: str | None, settings: Sequence[str]) -> Recipe:
    """Return the recipe with the options applied; without one, a backbone's own: frozen, with a linear head.

    Raises UsageError for settings that do not apply to a bare backbone.
    """
    overrides = join_overrides({"model.backbone": (("--backbone", backbone), backbone)} if backbone else {}, settings)
    if recipe is not None:
        _, path = find_recipe(recipe)
        table, origin = load_table(path), str(path)
    else:
        useless = [one for one in settings if not one.strip().startswith(BARE_KEYS)]
        if useless:
            raise UsageError(
                f"--set {useless[0]}: a network without a recipe trains nothing; allowed are {', '.join(BARE_KEYS)}",
                "name a recipe: --recipe medical-medium",
            )
        table, origin = build_bare_table(str(backbone)), "--backbone"
    return parse_recipe(apply_overrides(table, overrides), origin, find_overridden(table, overrides))


def build_bare_table(backbone: str) -> dict[str, Any]:
    """Build a recipe's table for a backbone without one: frozen, at its own size, a linear head."""
    from sightx_cli.model.backbone import find_own_size

    return {
        "name": "backbone",
        "summary": "a backbone with a linear head",
        "when": {"images": [0, float("inf")], "shift": "similar"},
        "model": {"backbone": backbone, "head": {"dropout": 0.0}},
        "image": {"size_px": find_own_size(backbone), "fit": "crop", "profile": "none"},
        "stage": [{"train": "head", "epochs": 1, "rate": 1e-3}],
        "training": {"metric": ACCURACY.name},
    }

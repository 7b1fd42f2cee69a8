"""One value of a recipe by its dotted key: read it, or get the recipe with another value."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from sightx_cli.recipe.recipe import Recipe

TAPS, WEIGHTS, SIZE, FIT, BACKBONE = (
    "model.head.taps",
    "training.class_weights",
    "image.size_px",
    "image.fit",
    "model.backbone",
)


def read_setting(recipe: Recipe, key: str) -> Any:
    """Return a recipe's value by its dotted key."""
    part: Any = recipe
    for name in key.split("."):
        part = getattr(part, name)
    return part


def change_setting(recipe: Recipe, key: str, value: Any) -> Recipe:
    """Return the recipe with a new value at a dotted key."""

    def change(part: BaseModel, names: list[str]) -> BaseModel:
        name, *rest = names
        return part.model_copy(update={name: change(getattr(part, name), rest) if rest else value})

    changed = change(recipe, key.split("."))
    assert isinstance(changed, Recipe)
    return changed

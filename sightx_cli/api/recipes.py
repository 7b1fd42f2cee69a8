"""The recipes that come with SightX and one's own: listed, shown, chosen by the decision table, copied and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.recipe.decision import Choice, Verdict, choose_recipe
from sightx_cli.recipe.files import (
    Summary,
    copy_recipe,
    find_recipe_file,
    list_reference_summaries,
    list_summaries,
    load_text,
)

if TYPE_CHECKING:
    from sightx_cli.errors import RecipeError

__all__ = [
    "Verdict",
    "build_check_error",
    "check_recipes",
    "copy_recipe",
    "decide_recipe",
    "list_recipes",
    "read_recipe",
    "show_recipe",
]


def list_recipes(reference: bool = False) -> list[Summary]:
    """List the shipped recipes with what each is for: those of the decision table, or the reference ones."""
    return list_reference_summaries() if reference else list_summaries()


def show_recipe(name: str | Path) -> str:
    """Return a recipe's whole file as text. Raises RecipeError if there is none of this name."""
    return load_text(find_recipe_file(name))


def read_recipe(name: str | Path) -> dict[str, Any]:
    """Return a recipe's file, and every value, defaults included. Raises RecipeError for its faults."""
    from sightx_cli.recipe.recipe import load_recipe, recipe_to_table

    path = find_recipe_file(name)
    return {"file": path, "recipe": recipe_to_table(load_recipe(path))}


def decide_recipe(images: int, shift: Verdict) -> Choice:
    """Look up which recipe fits this many training images, and why."""
    return choose_recipe(images, shift)


def check_recipes(files: Sequence[str | Path]) -> dict[Path, tuple[str, ...]]:
    """Check recipe files, or shipped names: the faults of each, empty for a valid one."""
    from sightx_cli.recipe.catalog import check_recipes

    return check_recipes(files)


def build_check_error(checked: Mapping[Path, Sequence[str]]) -> RecipeError:
    """Build the error that says every fault found."""
    from sightx_cli.recipe import catalog

    return catalog.build_check_error(checked)

"""The recipes shipped with SightX, and finding one by name or file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sightx_cli.errors import RecipeError
from sightx_cli.recipe.files import find_recipe_file, list_summaries
from sightx_cli.recipe.names import advise_check, build_recipe_error
from sightx_cli.recipe.recipe import Recipe, load_recipe


def list_recipes() -> list[Recipe]:
    """List the shipped recipes in the order of the decision table: similar first, then by number of images.

    Raises:
        RecipeError: one of them has faults.
    """
    return [load_recipe(one.file) for one in list_summaries()]


def find_recipe(name_or_file: str | Path) -> tuple[Recipe, Path]:
    """Find a recipe by the name of a shipped one, or else as a file.

    Raises:
        RecipeError: it is neither (the nearest name is suggested), or the recipe has faults.
    """
    path = find_recipe_file(name_or_file)
    return load_recipe(path), path


def check_recipes(files: Sequence[str | Path]) -> dict[Path, tuple[str, ...]]:
    """Check recipe files, or shipped names: all faults of each, none if it is valid."""
    results: dict[Path, tuple[str, ...]] = {}
    for file in files:
        path = Path(file).absolute()
        try:
            path = find_recipe_file(file)
            load_recipe(path)
            results[path] = ()
        except RecipeError as error:
            results[path] = error.faults or (error.message,)
    return results


def build_check_error(checked: Mapping[Path, Sequence[str]]) -> RecipeError:
    """Build the error that lists every fault of the files checked."""
    faults = [fault for found in checked.values() for fault in found]
    wrong = [str(path) for path, found in checked.items() if found]
    return build_recipe_error(
        faults, wrong[0] if len(wrong) == 1 else f"{len(wrong)} files", advise_check(faults, wrong)
    )

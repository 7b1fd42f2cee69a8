"""A recipe: everything that is decided before a fit, in one complete and readable TOML file."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BeforeValidator, Field, ValidationError

from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.parts import ImageInput, Network, Part, Text, Training, TrainingStage, When, as_tuple
from sightx_cli.recipe.values import SCRATCH, Allowed


class Recipe(Part):
    """A complete recipe; `load_recipe` reads one, `parse_recipe` checks one."""

    name: Annotated[
        str,
        Field(pattern=r"^\w[\w.-]*$", description="also part of the name of the run folder"),
        Allowed("letters, digits, - _ and ., without spaces"),
    ]
    summary: Annotated[Text, Field(description="one line for lists")]
    explanation: Annotated[
        str, Field(description="what it does, when it is right, when it is wrong, what it is based on"), Allowed("text")
    ] = ""
    ordered: Annotated[
        bool | None,
        Field(
            description="whether the classes are grades in order; if omitted, it is measured where their names begin "
            "with numbers"
        ),
        Allowed("true or false, or omit the key to let it be measured"),
    ] = None
    when: When
    model: Network
    image: ImageInput
    stage: Annotated[
        tuple[TrainingStage, ...],
        BeforeValidator(as_tuple),
        Field(min_length=1, description="the stages of training, in order"),
        Allowed("one or more [[stage]] tables"),
    ]
    training: Training


def load_recipe(path: str | Path) -> Recipe:
    """Load and check one recipe file.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or has faults (the error lists them all).
    """
    return parse_recipe(load_table(path), str(path))


def parse_recipe(table: Mapping[str, Any], origin: str, overridden: Collection[str] = ()) -> Recipe:
    """Check a table and build the recipe from it.

    Args:
        table: the recipe as returned by `load_table`.
        origin: the file it came from, for errors.
        overridden: dotted keys set on the command line (`find_overridden`); their faults are attributed to `--set`.

    Raises:
        RecipeError: with every fault at once, each with file, key, what was found and what is allowed.
    """
    from sightx_cli.recipe.faults import describe_faults, find_contradictions, find_faults

    table = settle_weights(table)
    faults = find_contradictions(table)
    try:
        recipe = Recipe.model_validate(dict(table))
    except ValidationError as error:
        raise describe_faults(find_faults(error, Recipe) + faults, origin, overridden) from error
    if faults:
        raise describe_faults(faults, origin, overridden)
    return recipe


def settle_weights(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set `model.weights`, if omitted, to "scratch" when the first stage trains "scratch"."""
    stages, model = table.get("stage"), table.get("model")
    first = stages[0] if isinstance(stages, list | tuple) and stages else None
    if isinstance(first, Mapping) and first.get("train") == SCRATCH and isinstance(model, Mapping):
        return {**table, "model": {"weights": SCRATCH, **model}}
    return table


def recipe_to_table(recipe: Recipe) -> dict[str, Any]:
    """Convert a recipe to the plain table of TOML and JSON; None is omitted (in a band: inf).

    An empty `join` is omitted too: most stages have none.
    """
    table: dict[str, Any] = recipe.model_dump(exclude_none=True)
    table["stage"] = tuple({k: value for k, value in stage.items() if k != "join" or value} for stage in table["stage"])
    low, high = recipe.when.images
    table["when"]["images"] = [low, math.inf if high is None else high]
    return table


def recipe_to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML with all its values, so that `parse_recipe` returns the same recipe."""
    return tomli_w.dumps(recipe_to_table(recipe))

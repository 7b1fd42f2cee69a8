"""A recipe: everything that a fit decides beforehand, as one TOML file that is whole and readable by itself."""

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
    """A whole recipe; `load_recipe` reads one, `parse_recipe` checks one."""

    name: Annotated[
        str,
        Field(pattern=r"^\w[\w.-]*$", description="also part of the name of the run folder"),
        Allowed("letters, digits, - _ and ., without spaces"),
    ]
    summary: Annotated[Text, Field(description="one line for lists")]
    explanation: Annotated[
        str, Field(description="what it does, when it is right, when it is wrong, what it rests on"), Allowed("a text")
    ] = ""
    ordered: Annotated[
        bool | None,
        Field(description="whether the classes are grades in order; left out, their names tell"),
        Allowed("true or false, or leave the key out to let the class names tell"),
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
        RecipeError: the file cannot be read, is no TOML, or has faults (all of them are in the error).
    """
    return parse_recipe(load_table(path), str(path))


def parse_recipe(table: Mapping[str, Any], origin: str, overridden: Collection[str] = ()) -> Recipe:
    """Check a table and build the recipe of it.

    Args:
        table: the recipe as `load_table` gives it.
        origin: the file it came from, for errors.
        overridden: dotted keys set on the command line (`find_overridden`); their faults are said of `--set`.

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
    """Let `model.weights`, where it is left out, be "scratch" when the first stage trains "scratch"."""
    stages, model = table.get("stage"), table.get("model")
    first = stages[0] if isinstance(stages, list | tuple) and stages else None
    if isinstance(first, Mapping) and first.get("train") == SCRATCH and isinstance(model, Mapping):
        return {**table, "model": {"weights": SCRATCH, **model}}
    return table


def recipe_to_table(recipe: Recipe) -> dict[str, Any]:
    """Turn a recipe into the plain table that TOML and JSON hold; what is None is left out (of a band: inf).

    So is an empty `join`: most stages have none.
    """
    table: dict[str, Any] = recipe.model_dump(exclude_none=True)
    table["stage"] = tuple({k: value for k, value in stage.items() if k != "join" or value} for stage in table["stage"])
    low, high = recipe.when.images
    table["when"]["images"] = [low, math.inf if high is None else high]
    return table


def recipe_to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML with every value in it, such that `parse_recipe` gives the same recipe."""
    return tomli_w.dumps(recipe_to_table(recipe))

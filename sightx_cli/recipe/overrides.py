"""Overrides of a recipe: `--set key=value`, with the value in TOML syntax and bare words as strings."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from sightx_cli.errors import UsageError
from sightx_cli.recipe.files import read_toml
from sightx_cli.recipe.names import build_recipe_error, join_choices, show_value, suggest_nearest
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.schema import find_field, find_model, find_nearest_key, find_part, is_list, is_optional

HINT = "--set takes key=value, such as --set image.size_px=384 or --set stage.0.epochs=5"


def apply_overrides(table: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Apply settings to a recipe's table, in order, and return a new table; `parse_recipe` checks the values.

    Args:
        table: as returned by `load_table`; not changed.
        settings: "key=value" each. A stage is given by its number, its name or what it trains (`stage.0.epochs=5`,
            `stage.head.epochs=5`), all stages at once as `stage=[{…}]`. An optional key of a recipe is removed
            with `none`, as in `training.clip=none`.

    Raises:
        RecipeError: with every faulty setting at once: no "=", an unknown key (the nearest valid one is named), a
            stage that does not exist, a value that starts like TOML but is not.
    """
    return _apply(table, settings)[0]


def join_overrides(options: Mapping[str, tuple[Sequence[str], str | bool]], settings: Sequence[str]) -> list[str]:
    """Put options that set a key before the settings: `options` gives each key's words as typed, and its value.

    Raises:
        UsageError: an option and a setting set the same key.
    """
    joined = []
    for key, (words, value) in options.items():
        twice = next((setting for setting in settings if setting.partition("=")[0].strip() == key), None)
        if twice is not None:
            typed = " ".join(words)
            raise UsageError(f"{typed} and --set {twice} set the same value", f"leave out {words[0]}, or that --set")
        joined.append(f"{key}={str(value).lower()}" if isinstance(value, bool) else f'{key}="{value}"')
    return [*joined, *settings]


def find_overridden(table: Mapping[str, Any], settings: Sequence[str]) -> tuple[str, ...]:
    """Find the dotted keys that the settings set, stages by number, for `build_plan` and `parse_recipe`.

    Raises:
        RecipeError: as `apply_overrides`.
    """
    return _apply(table, settings)[1]


def _apply(table: Mapping[str, Any], settings: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    changed: dict[str, Any] = copy.deepcopy(dict(table))
    keys, faults = [], []
    for setting in settings:
        try:
            key, equals, text = (part.strip() for part in setting.partition("="))
            if not equals or not key:
                raise ValueError(f'found "{setting}"; allowed: key=value')
            where = _find_place(changed, key)
            _put(changed, where, _read_value(key, text), text)
            keys.append(".".join(map(str, where)))
        except ValueError as error:
            faults.append(f"--set: {error}")
    if faults:
        raise build_recipe_error(faults, "the settings", HINT)
    return changed, tuple(keys)


def _read_value(key: str, text: str) -> Any:
    try:
        parsed = read_toml(f"value = {text}")
        if set(parsed) == {"value"}:
            return parsed["value"]
    except ValueError as error:
        if text[:1] in ("[", "{", '"', "'"):
            raise ValueError(f"{key}: found {text}; allowed: a TOML value ({error})") from error
    return text


def _find_place(table: Mapping[str, Any], key: str) -> tuple[int | str, ...]:
    """Find where a dotted key points; a key within a stage's `rate` is a group, including its dots."""
    where: list[int | str] = []
    steps = key.split(".")
    while steps:
        step = steps.pop(0)
        field = find_field(Recipe, where) if where else None
        if field is not None and is_list(field) and not isinstance(where[-1], int):
            where.append(_find_stage(table, step) if len(where) == 1 else _find_joining(table, where, step))
        elif where and where[0] == "stage" and where[-1] == "rate":
            return (*where, ".".join((step, *steps)))
        elif field is not None and find_part(field) is None:
            raise ValueError(f'{key}: found "{step}" within a plain value; allowed: {".".join(map(str, where))}=value')
        elif step not in find_model(Recipe, where).model_fields:
            nearest = find_nearest_key(step, Recipe, where)
            known = join_choices(tuple(find_model(Recipe, where).model_fields))
            hint = f'; did you mean "{nearest}"?' if nearest else ""
            raise ValueError(f'{key}: found the unknown key "{step}"; allowed: {known}{hint}')
        else:
            where.append(step)
    return tuple(where)


def _find_stage(table: Mapping[str, Any], step: str) -> int:
    """Find a stage by its number, else its name, else what it trains."""
    given = table.get("stage")
    stages = [stage for stage in given if isinstance(stage, dict)] if isinstance(given, list) else []
    numbers = [str(place) for place in range(len(stages))]
    if step in numbers:
        return int(step)
    for part in ("name", "train"):
        found = [place for place, stage in enumerate(stages) if stage.get(part) == step]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"stage.{step}: found {len(found)} stages; allowed: one by its number, {join_choices(numbers)}"
            )
    titles = [str(title) for stage in stages if isinstance(title := stage.get("name", stage.get("train")), str)]
    allowed = join_choices([*numbers, *titles]) if numbers else "stage=[{…}], since the recipe has no stages"
    raise ValueError(f"stage.{step}: found no such stage; allowed: {allowed}{suggest_nearest(step, titles)}")


def _find_joining(table: Mapping[str, Any], where: Sequence[int | str], step: str) -> int:
    """Find one of what joins within a stage, by its number."""
    stage = table["stage"][where[1]]
    joins = stage.get("join", []) if isinstance(stage, dict) else []
    numbers = [str(place) for place in range(len(joins))] if isinstance(joins, list) else []
    if step in numbers:
        return int(step)
    key = ".".join(map(str, where))
    allowed = join_choices(numbers) if numbers else f"{key}=[{{…}}], since nothing joins in this stage"
    raise ValueError(f"{key}.{step}: found nothing there; allowed: {allowed}")


def _put(table: dict[str, Any], where: Sequence[int | str], value: Any, text: str) -> None:
    """Set a value, creating the tables that lead to it; `none` removes an optional key."""
    target: Any = table
    for step in where[:-1]:
        target = target[step] if isinstance(step, int) else target.setdefault(step, {})
        if not isinstance(target, dict | list):
            path = ".".join(map(str, where[:-1]))
            raise ValueError(
                f"{path}: found {show_value(target)}; allowed: set it whole, such as {path}={{{where[-1]}={text}}}"
            )
    field = find_field(Recipe, where)
    if text == "none" and field is not None and is_optional(field):
        target.pop(where[-1], None)
    else:
        target[where[-1]] = value

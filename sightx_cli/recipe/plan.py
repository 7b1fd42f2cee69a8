"""The plan: every value of a fit and its origin, made and shown before training starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel

from sightx_cli.progress import Notice
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.names import show_value
from sightx_cli.recipe.recipe import Recipe

Origin = Literal["recipe", "data", "option", "default", "probe", "run"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)

# Prose, and the band the recipe is meant for: in the file, not in the short table.
UNSHOWN = ("name", "summary", "explanation", "when")


@dataclass(frozen=True)
class PlanValue:
    """One value and its origin: the recipe's file, the data, an option, a default of the schema, the probe, or the
    earlier run that this fit starts from.

    `evidence` is what was measured for it, in one line; empty if nothing was.
    """

    value: object
    origin: Origin
    evidence: str = ""


@dataclass(frozen=True)
class Plan:
    """What a fit will do: the resolved recipe, each value by its dotted key, and why (sentence and reason)."""

    recipe: Recipe
    recipe_origin: str
    values: Mapping[str, PlanValue]
    sentence: str
    reason: str


def build_plan(
    recipe: Recipe,
    recipe_origin: str,
    overridden_keys: Collection[str],
    facts: Mapping[str, tuple[object, str]],
    sentence: str,
    reason: str = "",
) -> Plan:
    """Build the plan of a resolved recipe.

    Args:
        recipe: with the options applied.
        recipe_origin: the recipe's name or file.
        overridden_keys: dotted keys set by options (`find_overridden`).
        facts: further values by dotted key with their origin, for example {"data.images": (240, "data")}; one with a
            recipe's key replaces its value, as when the data choose the metric.
        sentence: why, with the user's own numbers.
        reason: why this recipe (`Choice.reason`); empty if the user named it.

    Raises:
        ValueError: a fact has an origin that is not in `ORIGINS`.
    """
    values = {
        key: PlanValue(value, "option" if is_within(key, overridden_keys) else "recipe" if given else "default")
        for key, value, given in _walk(recipe)
    }
    for key, (value, origin) in facts.items():
        if origin not in ORIGINS:
            raise ValueError(f"{key}: origin {origin!r} is none of {ORIGINS}")
        values[key] = PlanValue(value, origin)
    return Plan(recipe, recipe_origin, values, sentence, reason)


def plan_to_json(plan: Plan, notices: Iterable[Notice] = ()) -> dict[str, Any]:
    """Convert a plan, and what was noticed before and after it was made, to the contents of `plan.json`."""
    return {
        "recipe": plan.recipe.name,
        "recipe_origin": plan.recipe_origin,
        "sentence": plan.sentence,
        "reason": plan.reason,
        "values": {
            key: {"value": item.value, "origin": item.origin} | ({"evidence": item.evidence} if item.evidence else {})
            for key, item in plan.values.items()
        },
        "notices": [notice.to_json() for notice in notices],
    }


def list_rows(plan: Plan) -> list[tuple[str, str, str]]:
    """List the rows (what, value, origin) of the short table, without values left at their default."""
    rows: list[tuple[str, str, str]] = []
    for key, item in plan.values.items():
        if key.split(".")[0] in UNSHOWN or item.origin == "default" or item.value is None:
            continue
        text = item.value if isinstance(item.value, str) else show_value(item.value)
        rows.append((key, text, item.origin))
    return rows


def _walk(part: BaseModel, prefix: str = "", given: bool = True) -> Iterator[tuple[str, object, bool]]:
    """Walk a recipe: each dotted key, its value, and whether the file sets it."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        is_given = given and name in part.model_fields_set
        key = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from _walk(value, f"{key}.", is_given)
        elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
            for place, item in enumerate(value):
                yield from _walk(item, f"{key}.{place}.", is_given)
        else:
            yield key, value, is_given

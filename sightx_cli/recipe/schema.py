"""The schema of a recipe: its dotted keys, what each takes, and the nearest valid key or value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from pydantic import BaseModel

from sightx_cli.recipe.names import find_nearest, join_choices, write_share
from sightx_cli.recipe.profiles import PROFILES
from sightx_cli.recipe.values import FRACTION, Allowed

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def list_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """List every dotted key of a recipe's schema, stages as `stage.0`: `name`, …, `stage.0.epochs`, …"""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        part = find_part(field)
        keys.append(name)
        if part is not None:
            prefix = f"{name}.0" if is_list(field) else name
            keys.extend(f"{prefix}.{key}" for key in list_keys(part))
    return tuple(keys)


def find_part(field: FieldInfo) -> type[BaseModel] | None:
    """Find the model that a field holds, itself or in a list; None for a plain value."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def is_list(field: FieldInfo) -> bool:
    """Whether a field holds a list of tables."""
    return get_origin(field.annotation) is tuple and find_part(field) is not None


def is_optional(field: FieldInfo) -> bool:
    """Whether a field may be omitted to mean none."""
    return type(None) in get_args(field.annotation)


def describe_allowed(field: FieldInfo) -> str:
    """Describe what a field takes."""
    for note in field.metadata:
        if isinstance(note, Allowed):
            return note.text
    if get_origin(field.annotation) is Literal:
        return join_choices(get_args(field.annotation))
    part = find_part(field)
    return f"a table with {', '.join(part.model_fields)}" if part is not None else "a value"


def find_field(model: type[BaseModel], where: Sequence[int | str]) -> FieldInfo | None:
    """Find the field that a location such as ("stage", 0, "epochs") lies in; None if no field has that name."""
    field = None
    for step in where:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        if field is None:
            return None
        model = find_part(field) or model
    return field


def find_model(model: type[BaseModel], where: Sequence[int | str]) -> type[BaseModel]:
    """Find the model at a location; `model` itself at the empty one."""
    field = find_field(model, where)
    return (find_part(field) or model) if field is not None else model


def find_nearest_key(name: str, model: type[BaseModel], where: Sequence[int | str] = ()) -> str | None:
    """Find the valid key nearest to a mistyped one: in its own table first, else a dotted key anywhere."""
    nearest = find_nearest(name, find_model(model, where).model_fields)
    if nearest is not None:
        return ".".join(map(str, (*where, nearest)))
    elsewhere = {key.rpartition(".")[2]: key for key in reversed(list_keys(model))}
    last = find_nearest(name, elsewhere)
    return elsewhere[last] if last is not None else None


def find_nearest_value(value: object, field: FieldInfo) -> str | None:
    """Find the named choice nearest to a mistyped one, or the share that a percentage is; None for other fields."""
    if describe_allowed(field) == FRACTION.text:
        return write_share(value)
    literals = [kind for kind in (field.annotation, *get_args(field.annotation)) if get_origin(kind) is Literal]
    choices = tuple(str(choice) for kind in literals for choice in get_args(kind))
    if describe_allowed(field) == join_choices(tuple(PROFILES)):
        choices = tuple(PROFILES)
    return find_nearest(value, choices) if isinstance(value, str) else None

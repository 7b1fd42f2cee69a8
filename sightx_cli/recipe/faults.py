"""All faults of a recipe at once: where each is, what was found, what is allowed, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from sightx_cli.errors import RecipeError
from sightx_cli.metrics.metric import GRADES, SINGLE_LABEL
from sightx_cli.metrics.registry import METRICS
from sightx_cli.recipe.names import advise_check, build_recipe_error, show_value
from sightx_cli.recipe.rates import HEAD, read_rate, resolve_rates
from sightx_cli.recipe.schema import (
    describe_allowed,
    find_field,
    find_model,
    find_nearest_key,
    find_nearest_value,
    find_part,
)
from sightx_cli.recipe.shares import cover_all, read_shares
from sightx_cli.recipe.values import SCRATCH

WHOLE = ("all", SCRATCH)
"""Values of `train` for which every layer trains."""


@dataclass(frozen=True)
class Fault:
    """One fault at a dotted key such as `stage.0.epochs`."""

    key: str
    found: str
    allowed: str
    nearest: str | None = None

    def describe(self, origin: str) -> str:
        """Describe it in one line that begins with the file."""
        hint = f'; did you mean "{self.nearest}"?' if self.nearest else ""
        return f"{origin}: {self.key}: found {self.found}; allowed: {self.allowed}{hint}"


def describe_faults(faults: Sequence[Fault], origin: str, overridden: Collection[str] = ()) -> RecipeError:
    """Build the error that lists every fault; those at keys in `overridden` are attributed to `--set`."""
    lines = [fault.describe("--set" if is_within(fault.key, overridden) else origin) for fault in faults]
    return build_recipe_error(lines, origin, advise_check(lines, [origin]))


def is_within(key: str, keys: Iterable[str]) -> bool:
    """Whether a dotted key equals one of `keys`, lies within one, or holds one."""
    return any(key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in keys)


def find_faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Translate pydantic's errors into faults; a mistyped key also accounts for the missing one it was meant to be."""
    items = error.errors(include_url=False)
    unknown = [item["loc"] for item in items if item["type"] == "extra_forbidden"]
    faults = []
    for item in items:
        *table, name = where = item["loc"]
        if item["type"] == "extra_forbidden":
            allowed = ", ".join(find_model(model, table).model_fields)
            nearest = find_nearest_key(str(name), model, table)
            faults.append(Fault(_dot(where), f"the unknown key {show_value(name)}", allowed, nearest))
        elif item["type"] == "missing":
            meant = {find_nearest_key(str(other[-1]), model, other[:-1]) for other in unknown}
            if _dot(where) not in meant:
                faults.append(Fault(_dot(where), "nothing", _allow(model, where)))
        else:
            reason = item.get("ctx", {}).get("error")
            allowed = str(reason) if reason is not None else _allow(model, where)
            field = find_field(model, where)
            nearest = find_nearest_value(item["input"], field) if field is not None else None
            faults.append(Fault(_dot(where), show_value(item["input"]), allowed, nearest))
    return faults


def find_contradictions(table: Mapping[str, Any]) -> list[Fault]:
    """Find keys that are valid on their own but not together; ignores faults elsewhere in the table."""
    faults = []
    pool, taps = _pick(table, "model.head.pool", str, "avg"), _pick(table, "model.head.taps", str, "last")
    if pool == "flatten" and taps != "last":
        faults.append(Fault("model.head.pool", '"flatten"', '"avg" where taps is not "last": taps are pooled outputs'))
    metric = METRICS.get(_pick(table, "training.metric", str, ""))
    needs_grades = metric is not None and GRADES in metric.kinds and SINGLE_LABEL not in metric.kinds
    if metric is not None and needs_grades and table.get("ordered") is False:
        faults.append(Fault("training.metric", f'"{metric.name}"', "another metric where ordered = false"))
    schedule = _pick(table, "training.schedule", str, "one-cycle")
    warmup = _pick(table, "training.warmup_epochs", int, 0)
    if warmup > 0 and schedule != "cosine":
        allowed = f'0 with schedule = "{schedule}": only "cosine" has a configurable warm-up'
        faults.append(Fault("training.warmup_epochs", str(warmup), allowed))
    return faults + _find_stage_contradictions(table, warmup if schedule == "cosine" else 0)


def _find_stage_contradictions(table: Mapping[str, Any], warmup: int) -> list[Fault]:
    """Find contradictions within and between the training stages."""
    faults, seen = [], set()
    weights = _pick(table, "model.weights", str, "imagenet")
    for place, stage in enumerate(_pick(table, "stage", list, [])):
        key, name, train = f"stage.{place}", _pick(stage, "name", str, None), _pick(stage, "train", object, None)
        epochs = _pick(stage, "epochs", int, 0)
        if name is not None and name in seen:
            faults.append(Fault(f"{key}.name", show_value(name), "a name that no other stage has"))
        seen.add(name)
        if 0 < epochs <= warmup:
            faults.append(Fault(f"{key}.epochs", str(epochs), f"more than the {warmup} of training.warmup_epochs"))
        if weights == SCRATCH and train not in (None, *WHOLE):
            allowed = '"all" with model.weights = "scratch": frozen random layers learn nothing'
            faults.append(Fault(f"{key}.train", show_value(train), allowed))
        if train == SCRATCH and place:
            allowed = '"all" after the first stage: "scratch" would discard what was learned'
            faults.append(Fault(f"{key}.train", show_value(train), allowed))
        elif train == SCRATCH and weights == "imagenet":
            allowed = f'"scratch", or the key left out, where {key}.train = "scratch": --set model.weights=scratch'
            faults.append(Fault("model.weights", show_value(weights), allowed))
        if train == HEAD:
            faults.extend(_check_head_rate(f"{key}.rate", stage.get("rate")))
        if train in WHOLE:
            faults.extend(_check_shares(f"{key}.rate", stage.get("rate")))
        faults.extend(_find_joining_contradictions(key, stage, train, epochs, warmup))
    return faults


def _find_joining_contradictions(key: str, stage: Any, train: Any, epochs: int, warmup: int) -> list[Fault]:
    """Find contradictions in what joins within a stage."""
    joins, faults, before = _pick(stage, "join", list, []), [], 0
    if joins and train in WHOLE:
        faults.append(Fault(f"{key}.join", show_value(joins), f"nothing where train = {show_value(train)}: all trains"))
    for place, join in enumerate(joins):
        own, after = f"{key}.join.{place}", _pick(join, "after", int, 0)
        if 0 < epochs <= after:
            faults.append(Fault(f"{own}.after", str(after), f"fewer epochs than the stage has, {epochs}"))
        elif 0 < epochs - after <= warmup and after > 0:
            allowed = f"more epochs left of the stage's {epochs} than the {warmup} of training.warmup_epochs"
            faults.append(Fault(f"{own}.after", str(after), allowed))
        if 0 < after <= before:
            faults.append(Fault(f"{own}.after", str(after), f"more than {before}, the value of the entry before it"))
        if _pick(join, "train", str, "") in (HEAD, SCRATCH):
            faults.append(Fault(f"{own}.train", show_value(join["train"]), "a part of the network other than the head"))
        rate = _pick(join, "rate", dict, {})
        if HEAD in rate or any("%" in str(name) for name in rate):
            allowed = "a number, [low, high], or a rate for each group that joins: the head trains already"
            faults.append(Fault(f"{own}.rate", show_value(rate), allowed))
        before = max(before, after)
    return faults


def _check_shares(key: str, value: object) -> list[Fault]:
    """Check that shares of the layers cover all of them when all of them train."""
    try:
        shares = read_shares(map(str, value)) if isinstance(value, Mapping) else ()
    except ValueError:
        return []  # malformed: reported by the schema
    if not shares or cover_all(shares):
        return []
    return [Fault(key, show_value(value), "shares from 0 to 100 % without a gap if all layers train")]


def _check_head_rate(key: str, value: object) -> list[Fault]:
    """Check that a head-only stage gives a rate only for the head; other stages need the network to be checked."""
    try:
        resolve_rates(read_rate(value), [HEAD])
    except ValueError:
        return []  # not a rate at all: reported by the schema
    except RecipeError:
        return [Fault(key, show_value(value), 'a rate for "head" only if train = "head"')]
    return []


def _pick(table: Any, key: str, kind: type, default: Any) -> Any:
    """Read a dotted key of a table that may have faults anywhere; the default replaces what is missing or wrong."""
    value: Any = table
    for step in key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else default


def _allow(model: type[BaseModel], where: Sequence[int | str]) -> str:
    """Describe what is allowed at a location; an item of a list of tables is a table."""
    field = find_field(model, where)
    if field is None or (isinstance(where[-1], int) and find_part(field)):
        return "a table"
    return describe_allowed(field)


def _dot(where: Sequence[int | str]) -> str:
    return ".".join(map(str, where))

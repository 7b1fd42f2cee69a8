"""Learning-rate rules: from the `rate` of a recipe's stage to one rate per trained parameter group.

Discriminative rates follow Howard & Ruder 2018 (ULMFiT, arXiv:1801.06146): later groups learn faster, since earlier
ones hold the general features. With L groups, group l = 0 … L-1 (0 the earliest) gets `head_rate × decay^(L-1-l)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sightx_cli.recipe.names import build_recipe_error, join_choices, show_value, suggest_nearest
from sightx_cli.recipe.shares import read_shares

# A number, [low, high], { head, backbone }, { head, decay }, { group: rate, … }, or { "0-50%": rate, …, head }.
Rate = float | tuple[float, float] | dict[str, float]

HEAD = "head"
HIGHEST_RATE = 10.0
ALLOWED_RATE = (
    f"a number above 0 and at most {HIGHEST_RATE:g}, [low, high], {{ head = …, backbone = … }}, "
    "{ head = …, decay = … } with decay above 0 and at most 1, a rate for each trained group, or for shares of the "
    'layers: { "0-50%" = …, "50-100%" = …, head = … }'
)


def read_rate(value: object) -> Rate:
    """Read the `rate` of a stage as written in a recipe.

    Raises:
        ValueError: the value has none of the forms of `Rate`; the message says what is allowed.
    """
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError("two numbers, [low, high]")
        low, high = (_read_number(item, HIGHEST_RATE, "[low, high]") for item in value)
        if low > high:
            raise ValueError("[low, high] with low at most high")
        return (low, high)
    if not isinstance(value, Mapping):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(ALLOWED_RATE)
        return _read_number(value, HIGHEST_RATE, "rate")
    if not value:
        raise ValueError(ALLOWED_RATE)
    if "decay" in value and set(value) != {HEAD, "decay"}:
        raise ValueError("{ head = …, decay = … } with these two keys only")
    read_shares(map(str, value))
    return {
        str(key): _read_number(item, 1.0 if key == "decay" else HIGHEST_RATE, str(key)) for key, item in value.items()
    }


def scale_rate(rate: Rate, factor: float) -> Rate:
    """Return a stage's rate in the same form with every rate multiplied; a decay is a ratio and stays as it is."""
    if isinstance(rate, dict):
        return {key: value if key == "decay" else _round(value * factor) for key, value in rate.items()}
    if isinstance(rate, tuple):
        return (_round(rate[0] * factor), _round(rate[1] * factor))
    return _round(rate * factor)


def _round(rate: float) -> float:
    return float(f"{rate:.6g}")


def resolve_rates(rate: Rate, trained: Sequence[str]) -> dict[str, float]:
    """Give each trained parameter group its rate.

    Args:
        rate: a number (the same for each); [low, high] (geometric steps, the last group high; a single group high);
            { head, backbone }; { head, decay }; or by group, where a key may also be a prefix, such as `blocks` for
            all of `blocks.0`, `blocks.1`, … (the longest matching key counts), or a share of the layers.
        trained: the names of the trained groups, earliest first, "head" last.

    Raises:
        RecipeError: a key by group names no trained group, or a trained group has no rate.
    """
    last = len(trained) - 1
    if isinstance(rate, tuple):
        low, high = rate
        return {
            name: high if place == last else low * (high / low) ** (place / last) for place, name in enumerate(trained)
        }
    if isinstance(rate, dict):
        if set(rate) == {HEAD, "backbone"}:
            return {name: rate[HEAD] if name == HEAD else rate["backbone"] for name in trained}
        if set(rate) == {HEAD, "decay"}:
            return {name: rate[HEAD] * rate["decay"] ** (last - place) for place, name in enumerate(trained)}
        return _resolve_by_group(rate, trained)
    return dict.fromkeys(trained, float(rate))


def _resolve_by_group(rate: Mapping[str, float], trained: Sequence[str]) -> dict[str, float]:
    """Match keys to groups, the longest first, and report every key and group left over at once."""
    matches = {name: [key for key in rate if name == key or name.startswith(f"{key}.")] for name in trained}
    used = {key for keys in matches.values() for key in keys}
    faults = [
        f'rate: found group "{key}"; allowed: {join_choices(trained)}{suggest_nearest(key, trained)}'
        for key in rate
        if key not in used
    ]
    missing = [name for name, keys in matches.items() if not keys]
    if missing:
        faults.append(f"rate: found {show_value(rate)}; allowed: a rate for {join_choices(missing)} too")
    if faults:
        raise build_recipe_error(
            faults, "the rates", "{ head = 5e-4, backbone = 5e-5 } is a rate that needs no group names"
        )
    return {name: rate[max(keys, key=len)] for name, keys in matches.items()}


def _read_number(value: Any, highest: float, what: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not 0 < value <= highest:
        raise ValueError(f"{what}: a number above 0 and at most {highest:g}")
    return float(value)

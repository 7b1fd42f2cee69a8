"""Values of options that are more than a text, a path or a choice: as typed or given from Python, to one form."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal

from sightx_cli.errors import UsageError
from sightx_cli.recipe.names import find_nearest, suggest_nearest
from sightx_cli.recipe.profiles import PROFILES

HIGHEST_SEED = 2**32 - 1
"""What NumPy takes."""
HIGHEST_PORT = 65_535


def read_rate_option(flag: str, value: float | str) -> float | Literal["auto"]:
    """Read a learning rate. Raises UsageError for anything but auto or a number above 0."""
    if value == "auto":
        return "auto"
    rate = _to_number(value)
    if not 0 < rate < float("inf"):
        raise UsageError(f"{flag} is '{value}': allowed are auto and a number above 0", f"{flag} 1e-3, or {flag} auto")
    return rate


def read_numbers(flag: str, value: float | str | Sequence[float]) -> tuple[float, ...]:
    """Read numbers, with commas between them where typed: "0.5,0.5,0.5". Raises UsageError for anything else."""
    try:
        parts: Sequence[Any] = value.split(",") if isinstance(value, str) else list(value)  # type: ignore[arg-type]
    except TypeError:
        parts = [value]
    try:
        return tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        raise UsageError(
            f"{flag} is '{value}': allowed are three numbers with commas between them, or one for all channels",
            f"{flag} 0.5,0.5,0.5",
        ) from None


def read_profile(flag: str, value: str) -> str:
    """Read the name of a profile. Raises UsageError, with the nearest one, for what is none."""
    name = str(value)
    if not isinstance(value, str) or name not in PROFILES:
        allowed = f"allowed are {', '.join(PROFILES)}{suggest_nearest(name, PROFILES)}"
        raise UsageError(f"{flag} is '{name}': {allowed}", f"{flag} {find_nearest(name, PROFILES) or 'none'}")
    return name


def read_settings(flag: str, value: Sequence[str]) -> tuple[str, ...]:
    """Read the settings. Raises UsageError for anything but a list of texts; the texts are checked with the recipe."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{flag} is '{value}': allowed is a list of texts", 'settings=["image.size_px=384"]')
    return tuple(value)


def read_seed(flag: str, value: int) -> int:
    """Read the seed. Raises UsageError for what NumPy does not take."""
    seed = _to_whole(value)
    if seed is None or not 0 <= seed <= HIGHEST_SEED:
        raise UsageError(f"{flag} {value!r}: allowed are whole numbers from 0 to {HIGHEST_SEED}", f"{flag} 0")
    return seed


def read_folds(flag: str, value: int) -> int:
    """Read a number of folds. Raises UsageError for 1 and less than 0."""
    folds = _to_whole(value)
    if folds is None or folds < 0 or folds == 1:
        raise UsageError(f"{flag} {value!r}: allowed are 0 (none) and 2 or more", f"{flag} 5")
    return folds


def read_budget(flag: str, value: float) -> float:
    """Read a number of seconds. Raises UsageError for none above 0."""
    seconds = _to_number(value)
    if not seconds > 0:
        raise UsageError(f"{flag} {value!r}: allowed is a number of seconds above 0", f"{flag} 60")
    return seconds


def read_count(flag: str, value: int) -> int:
    """Read how many of something there are to be. Raises UsageError for less than one."""
    count = _to_whole(value)
    if count is None or count < 1:
        raise UsageError(f"{flag} {value!r}: allowed are whole numbers from 1 on", f"{flag} 2")
    return count


def read_rendezvous(flag: str, value: str) -> str:
    """Read where machines meet. Raises UsageError for anything but HOST:PORT."""
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= HIGHEST_PORT:
        raise UsageError(
            f"{flag} {value}: allowed is the name of a machine with a port, 1 to {HIGHEST_PORT}", f"{flag} node1:29500"
        )
    return str(value)


def read_stage(flag: str, value: int | str) -> str:
    """Read a stage by its name or number; the recipe says which there are."""
    if isinstance(value, str) or _to_whole(value) is not None:
        return str(value)
    raise UsageError(f"{flag} is '{value}': allowed are the name and the number of a stage", f"{flag} 0")


def _to_number(value: Any) -> float:
    """Give a number, as typed too; NaN for anything else."""
    try:
        return float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def _to_whole(value: Any) -> int | None:
    """Give a whole number, NumPy's too; None for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None

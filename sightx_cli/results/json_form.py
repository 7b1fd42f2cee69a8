"""Results as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


def to_object(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Convert named values to what JSON can hold."""
    return {str(name): to_plain(value) for name, value in fields.items()}


def to_plain(value: Any) -> Any:
    """Convert a value to what JSON can hold: absolute paths, numpy scalars as numbers, NaN as null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return to_object(value)
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(value.to_json() if hasattr(value, "to_json") else vars(value))
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return to_plain(value.tolist())
    if isinstance(value, Sequence | set | frozenset):
        return [to_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")

"""Results become what JSON can hold, however deep they lie in each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sightx_cli.results.json_form import to_object, to_plain


@dataclass(frozen=True)
class Inner:
    rates: tuple[float, ...]
    file: Path


@dataclass(frozen=True)
class Rounded:
    share: float

    def to_json(self) -> dict[str, Any]:
        return {"share": round(self.share, 2)}


def test_a_result_within_a_result_keeps_its_own_form() -> None:
    found = to_object({"inner": Inner((0.5, float("nan")), Path("a.png")), "rounded": (Rounded(0.123),), 1: None})
    assert found == {
        "inner": {"rates": [0.5, None], "file": str(Path.cwd() / "a.png")},
        "rounded": [{"share": 0.12}],
        "1": None,
    }


def test_times_are_in_iso_form() -> None:
    assert to_plain(datetime(2026, 1, 2, 3, 4)) == "2026-01-02T03:04:00"


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be written"):
        to_plain(object())

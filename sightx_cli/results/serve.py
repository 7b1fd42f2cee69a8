"""The result of `serve`: where it listens, and in the end what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class ServeAddress:
    """Where a server listens."""

    url: str
    """What to open in a browser; with the token, where other machines may ask."""
    host: str
    port: int
    run: Path
    """The run whose model answers."""
    classes: tuple[str, ...]
    token: str | None = None
    """What a request from anywhere must carry; None where only this machine can ask."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `serve`, printed when it begins to listen."""
        return to_object(vars(self) | {"model": self.run})


@dataclass(frozen=True)
class ServeResult:
    """What a server did until it was stopped."""

    address: ServeAddress
    images: int
    """Those answered."""
    unreadable: int
    """Those of them that could not be read."""
    refused: Mapping[int, int]
    """Requests refused, by the status of HTTP."""
    seconds: float

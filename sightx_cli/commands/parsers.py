"""Options that are read from text: a rate, numbers with commas between them."""

from __future__ import annotations

from typing import Literal

from sightx_cli.errors import UsageError


def parse_rate(text: str | None) -> float | Literal["auto"] | None:
    """Read `--rate`. Raises UsageError for anything but auto or a number above 0."""
    if text is None or text == "auto":
        return text  # type: ignore[return-value]  # mypy does not narrow str to the literal
    try:
        rate = float(text)
    except ValueError:
        rate = float("nan")
    if not 0 < rate < float("inf"):
        raise UsageError(f"--rate is '{text}': allowed are auto and a number above 0", "--rate 1e-3, or --rate auto")
    return rate


def parse_numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Read numbers with commas between them, such as "0.5,0.5,0.5". Raises UsageError for anything else."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"{option} is '{text}': allowed are three numbers with commas between them, or one for all channels",
            f"{option} 0.5,0.5,0.5",
        ) from None

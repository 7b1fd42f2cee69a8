"""What a fit says of how far its model can be believed: its temperature, and the images that it is unsure of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.console.numbers import format_count, format_figure
from sightx_cli.metrics.registry import find_title
from sightx_cli.results.calibration import OUT_OF_FOLD

if TYPE_CHECKING:
    from sightx_cli.results.calibration import Abstention, Calibration
    from sightx_cli.results.fit import FitResult

SHOWN = ("loss", "calibration_error")
"""The figures of the calibration that are shown."""


def describe_doubt(result: FitResult) -> list[str]:
    """Describe what was fitted to the model's probabilities, a line each; none where nothing was."""
    lines = []
    if result.calibration is not None:
        lines.append(describe_calibration(result.calibration))
    if result.abstention is not None:
        lines.append(describe_abstention(result.abstention, result.images["valid"]))
    return [line for line in lines if line]


def describe_calibration(found: Calibration) -> str:
    """Describe the temperature, and what it changes; "" where none was fitted."""
    if not found.fitted_on:
        return ""
    which = "out-of-fold predictions" if found.fitted_on == OUT_OF_FOLD else "validation images"
    flattered = "(after: on images that it was not fitted on; in the figures above it is of these same images)"
    if found.shows_no_gain:
        flattered = f"{flattered}; they show no gain, and it stays, which over many sets is the better choice"
    how = f" {flattered}" if found.cross_fitted else ""
    changes = [
        f"{find_title(name)} {format_figure(before)} before, {format_figure(after)} after"
        for name in SHOWN
        if (before := found.before.get(name)) is not None and (after := found.after.get(name)) is not None
    ]
    return (
        f"probabilities divided by temperature {found.temperature:.2f}, fitted on {found.images:,} {which}: "
        f"{'; '.join(changes)}{how}"
    )


def describe_abstention(found: Abstention, valid: int) -> str:
    """Describe how many validation images predict would call unsure or unfamiliar."""
    parts = []
    if found.unsure is not None and found.level is not None:
        parts.append(f"{found.unsure:,} unsure (at {found.level:.0%})")
    if found.unfamiliar is not None:
        compared = format_count(found.familiar_images, "training image")
        parts.append(f"{found.unfamiliar:,} unfamiliar (compared with {compared})")
    return f"of {valid:,} validation images predict calls {' and '.join(parts)}" if parts else ""

"""How images that a model is judged on differ from those it was trained on: figures of a fit need not hold for them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.judgement import UNFAMILIAR
from sightx_cli.data.levels import Levels, Span, measure_levels
from sightx_cli.data.readers import Header, Reading
from sightx_cli.filesystem import read_ordinary
from sightx_cli.progress import Notice
from sightx_cli.results.evaluate import SetDifference
from sightx_cli.task.label_text import count_names

SIZE_RATIO = 1.5
"""From this many times larger or smaller, in the median of the shorter side, sizes differ."""
SHARE = 0.2
"""From this many of all images more or fewer, kinds of files differ: colours, bits, formats."""
CLASS_SHARE = 0.1
"""The same for a class: the predictive values follow its share."""
DEVIATIONS = 1.0
"""From this many standard deviations of the training images between the medians, brightness and contrast differ."""


def find_differences(
    run: Path,
    paths: Sequence[str],
    headers: Sequence[Header],
    labels: Sequence[str],
    separator: str,
    reading: Reading,
) -> tuple[SetDifference, ...]:
    """Find what differs between the images that a run was trained on and these; nothing of a run that says nothing."""
    try:
        trained = json.loads(read_ordinary(run / runs.FINGERPRINT))
        found = [
            *_compare_sizes(trained, headers),
            *_compare_kinds(trained, headers),
            *_compare_classes(trained, labels, separator),
        ]
        known = trained.get("levels")
        levels = measure_levels(paths, reading) if known else None
        if levels is not None:
            found += _compare_levels(Levels.from_json(known), levels)
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(found)


def compare_statuses(statuses: Sequence[str]) -> tuple[SetDifference, ...]:
    """Tell that many of the images are unlike the training images, on features that were not trained."""
    unfamiliar = sum(status == UNFAMILIAR for status in statuses)
    if unfamiliar < SHARE * max(len(statuses), 1):
        return ()
    return (SetDifference("share unlike the training images", "few", f"{unfamiliar / len(statuses):.0%}"),)


def describe_differences(differences: Sequence[SetDifference]) -> list[Notice]:
    """Say in one line how the images differ."""
    if not differences:
        return []
    said = "; ".join(f"{one.what} {one.here} (there {one.trained})" for one in differences)
    text = f"these images differ from those that the model was trained on, and the figures may for that reason: {said}"
    return [Notice("differs", text, len(differences), warns=True)]


def _compare_sizes(trained: Mapping[str, Any], headers: Sequence[Header]) -> list[SetDifference]:
    if not headers:
        return []
    there = (trained["width_px"]["median"], trained["height_px"]["median"])
    here = (median(one[0] for one in headers), median(one[1] for one in headers))
    ratio = min(here) / max(min(there), 1)
    if 1 / SIZE_RATIO < ratio < SIZE_RATIO:
        return []
    return [SetDifference("size", _format_size(there), _format_size(here))]


def _format_size(size: tuple[float, float]) -> str:
    return f"{size[0]:,.0f} × {size[1]:,.0f} px in the median"


def _compare_kinds(trained: Mapping[str, Any], headers: Sequence[Header]) -> list[SetDifference]:
    differences = []
    for what, name, place in (("colour mode", "modes", 2), ("bits", "bits", 3), ("format", "formats", 4)):
        here = Counter(str(one[place]) for one in headers)
        if (said := _compare_shares(trained[name], here, SHARE)) is not None:
            differences.append(SetDifference(what, *said))
    return differences


def _compare_classes(trained: Mapping[str, Any], labels: Sequence[str], separator: str) -> list[SetDifference]:
    said = _compare_shares(trained["classes"], count_names(labels, separator), CLASS_SHARE)
    return [] if said is None else [SetDifference("class shares", *said)]


def _compare_shares(there: Mapping[str, int], here: Mapping[str, int], least: float) -> tuple[str, str] | None:
    """Return the share that differs most, there and here; None where none differs by `least`."""
    whole, part = sum(there.values()), sum(here.values())
    if not whole or not part:
        return None
    shares = {name: (there.get(name, 0) / whole, here.get(name, 0) / part) for name in {*there, *here}}
    name, (before, now) = max(shares.items(), key=lambda item: (abs(item[1][1] - item[1][0]), item[0]))
    if abs(now - before) < least:
        return None
    return f"{before:.0%} {name}", f"{now:.0%} {name}"


def _compare_levels(there: Levels, here: Levels) -> list[SetDifference]:
    differences = []
    for what, before, now in (
        ("brightness", there.brightness, here.brightness),
        ("contrast", there.contrast, here.contrast),
    ):
        if abs(now.median - before.median) >= DEVIATIONS * before.deviation:
            differences.append(SetDifference(what, _format_span(before), _format_span(now)))
    return differences


def _format_span(span: Span) -> str:
    return f"{span.median:.0f} of 255 ({span.low:.0f} to {span.high:.0f})"

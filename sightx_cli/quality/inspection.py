"""What an inspection found, put together with the names of the files and in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sightx_cli.data.checks import Unreadable
from sightx_cli.data.fingerprint import Fingerprint
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.name_groups import find_names, guess_groups, name_files
from sightx_cli.errors import DataError
from sightx_cli.features.examination import Examination
from sightx_cli.progress import Listener
from sightx_cli.quality.analysis import Analysis, advise
from sightx_cli.quality.description import Describer
from sightx_cli.quality.shortcuts import find_shortcuts
from sightx_cli.results.inspect import Copies, InspectResult, make_absolute

if TYPE_CHECKING:
    import pandas as pd


def advise_recipe(manifest: Manifest, listener: Listener) -> InspectResult:
    """Measure nothing but the shift, and name the recipe. Raises DataError without images."""
    frame = manifest.frame
    if not len(frame):
        raise DataError("there are no images", "give a folder with one subfolder of images for each class")
    advice = advise(manifest, frame, listener)
    return InspectResult(
        images=len(frame),
        parts=dict(Counter(part or "undivided" for part in frame["split"])),
        classes=manifest.classes,
        class_counts={label: int((frame["label"] == label).sum()) for label in manifest.classes},
        facts=(),
        unreadable=(),
        duplicates=(),
        groups=(),
        likely_groups=None,
        outliers=(),
        doubts=(),
        agreement=None,
        shortcuts=(),
        shift=advice.shift,
        recipe=advice.recipe,
        reason=advice.reason,
        findings=(),
        folder=None,
        fix=None,
        left_out=0,
        seconds={},
    )


def gather_findings(
    source: str,
    manifest: Manifest,
    frame: pd.DataFrame,
    examination: Examination,
    fingerprint: Fingerprint,
    unreadable: Sequence[Unreadable],
    analysis: Analysis,
    group_by: str | None,
) -> InspectResult:
    """Put all that was found together, with the names of the files and in words."""
    paths = make_absolute(frame["path"].tolist())
    labels, splits = frame["label"].tolist(), frame["split"].tolist()
    lost = dict(zip(manifest.frame["image"], make_absolute(manifest.frame["path"].tolist()), strict=True))
    groups = find_split_groups(frame["group"].tolist(), splits)
    likely = guess_likely_groups(frame) if group_by is None and not (frame["group"] != "").any() else None
    shortcuts = find_shortcuts(examination.headers, labels)
    return InspectResult(
        images=len(frame),
        parts=fingerprint.parts,
        classes=manifest.classes,
        class_counts=fingerprint.classes,
        facts=tuple(fingerprint.describe()),
        unreadable=tuple({"file": lost[one.image], "error": one.error} for one in unreadable),
        duplicates=tuple(
            Copies(
                tuple(paths[place] for place in one.places),
                tuple(labels[place] for place in one.places),
                tuple(splits[place] for place in one.places),
                one.kind,
            )
            for one in analysis.duplicates
        ),
        groups=tuple(
            {
                "files": [paths[place] for place in one["places"]],
                "group": one["group"],
                "splits": [splits[place] for place in one["places"]],
            }
            for one in groups
        ),
        likely_groups=likely,
        outliers=tuple(
            {"file": paths[place], "label": labels[place], "remoteness": round(remoteness, 2)}
            for place, remoteness in analysis.outliers
        ),
        doubts=tuple(
            {
                "file": paths[one.place],
                "label": labels[one.place],
                "suggested": one.suggested,
                "confidence": one.confidence,
                "confidence_given": one.confidence_given,
            }
            for one in analysis.doubts
        ),
        agreement=analysis.agreement,
        shortcuts=tuple(shortcuts),
        shift=analysis.advice.shift,
        recipe=analysis.advice.recipe,
        reason=analysis.advice.reason,
        findings=Describer(source, frame, group_by).describe(analysis, unreadable, groups, likely, shortcuts),
        folder=None,
        fix=None,
        left_out=0,
        seconds={},
    )


def find_split_groups(groups: Sequence[str], splits: Sequence[str]) -> list[dict[str, Any]]:
    """Find the groups ("" for none) that are in more than one part: their names and the places of their images."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        if group:
            members[group].append(place)
    return [
        {"group": group, "places": places}
        for group, places in members.items()
        if len({splits[place] for place in places}) > 1
    ]


def guess_likely_groups(frame: pd.DataFrame) -> dict[str, Any] | None:
    """Say what the file names suggest as groups, and how many of these are in more than one part."""
    guess = guess_groups(frame["image"].tolist(), frame["label"].tolist())
    if guess is None:
        return None
    groups = find_names(guess.expression, name_files(frame["image"]))
    across = find_split_groups(groups, frame["split"].tolist())
    return {**vars(guess), "across_parts": len(across)}

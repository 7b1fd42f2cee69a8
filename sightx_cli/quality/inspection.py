"""What an inspection found, put together with the names of the files and in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.checks import Unreadable
from sightx_cli.data.fingerprint import Fingerprint
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.readers import Reading
from sightx_cli.data.readers.references import is_packed, name_for_people
from sightx_cli.data.tags.tag_groups import find_suggestion, list_members
from sightx_cli.errors import DataError, SightXError
from sightx_cli.features.examination import Examination
from sightx_cli.progress import Listener
from sightx_cli.quality.analysis import Analysis, advise
from sightx_cli.quality.description import Describer
from sightx_cli.quality.shortcuts import find_shortcuts
from sightx_cli.results.inspect import (
    Copies,
    DoubtfulLabel,
    Guess,
    InspectResult,
    Outlier,
    SplitGroup,
    UnreadableFile,
)
from sightx_cli.task.label_text import count_names, split_names

if TYPE_CHECKING:
    import pandas as pd


def advise_recipe(manifest: Manifest, reading: Reading, listener: Listener) -> InspectResult:
    """Measure nothing but the shift, and name the recipe. Raises DataError without images."""
    frame = manifest.frame
    if not len(frame):
        raise DataError("there are no images", "give a folder with one subfolder of images for each class")
    counts = count_names(frame["label"].tolist(), manifest.separator)
    return InspectResult(
        images=len(frame),
        parts=dict(Counter(part or "undivided" for part in frame["split"])),
        classes=manifest.classes,
        class_counts={label: counts[label] for label in manifest.classes},
        advice=advise(frame, reading, listener),
    )


def gather_findings(
    fit: str,
    manifest: Manifest,
    frame: pd.DataFrame,
    examination: Examination,
    fingerprint: Fingerprint,
    unreadable: Sequence[Unreadable],
    analysis: Analysis,
    leave_out: Path,
    refusal: SightXError | None,
) -> InspectResult:
    """Put all that was found together, with the names of the files and in words.

    `fit` is the command that trains on these images, `leave_out` the list to be written of what it should not see,
    `refusal` what it would end with.
    """
    paths = make_absolute(frame["path"].tolist())
    labels, splits = frame["label"].tolist(), frame["split"].tolist()
    lost = dict(zip(manifest.frame["image"], make_absolute(manifest.frame["path"].tolist()), strict=True))
    groups = find_split_groups(frame["group"].tolist(), splits)
    likely = guess_likely_groups(frame) if not (frame["group"] != "").any() else None
    sets = [split_names(label, manifest.separator) for label in labels]
    shortcuts = find_shortcuts(examination.headers, sets)
    describer = Describer(fit, frame, leave_out, manifest.separator)
    refused = (describer.describe_refusal(refusal),) if refusal is not None else ()
    return InspectResult(
        images=len(frame),
        parts=fingerprint.parts,
        classes=manifest.classes,
        class_counts=fingerprint.classes,
        advice=analysis.advice,
        facts=tuple(fingerprint.describe()),
        unreadable=tuple(UnreadableFile(lost[one.image], one.error) for one in unreadable),
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
            SplitGroup(tuple(paths[place] for place in places), group, tuple(splits[place] for place in places))
            for group, places in groups.items()
        ),
        likely_groups=likely,
        outliers=tuple(
            Outlier(paths[place], labels[place], round(remoteness, 2)) for place, remoteness in analysis.outliers
        ),
        doubts=tuple(
            DoubtfulLabel(paths[one.place], labels[one.place], one.suggested, one.confidence, one.confidence_given)
            for one in analysis.doubts
        ),
        agreement=analysis.agreement,
        shortcuts=tuple(shortcuts),
        findings=refused + describer.describe(analysis, unreadable, groups, likely, shortcuts),
    )


def find_split_groups(groups: Sequence[str], splits: Sequence[str]) -> dict[str, list[int]]:
    """Find the groups ("" for none) that stand in more than one part: the places of the images of each."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        if group:
            members[group].append(place)
    return {group: places for group, places in members.items() if len({splits[place] for place in places}) > 1}


def guess_likely_groups(frame: pd.DataFrame) -> Guess | None:
    """Say what tags or file names suggest as groups, and how many of these stand in more than one part."""
    guess = find_suggestion(frame)
    if guess is None:
        return None
    across = find_split_groups(list_members(frame, guess), frame["split"].tolist())
    return replace(guess, across_parts=len(across))


def make_absolute(paths: Sequence[str]) -> tuple[str, ...]:
    """Return absolute paths, without the folders' own links resolved; of images in shards the names for people."""
    return tuple(name_for_people(path) if is_packed(path) else str(Path(path).absolute()) for path in paths)

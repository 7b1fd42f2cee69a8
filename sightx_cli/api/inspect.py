"""`inspect`: look at a data set before fitting, and say what is wrong with it and what to do."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.data.checks import Unreadable
from sightx_cli.data.exclusions import LEAVE_OUT
from sightx_cli.data.fingerprint import Fingerprint, build_fingerprint
from sightx_cli.data.manifest import Manifest, load_manifest
from sightx_cli.data.name_groups import find_names, guess_groups, name_files
from sightx_cli.data.splits import assign_groups
from sightx_cli.errors import DataError, RunError, UsageError
from sightx_cli.features.examination import Examination, examine_images
from sightx_cli.features.store import FeatureStore
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Listener, Silent
from sightx_cli.quality.analysis import Analysis, advise, analyse
from sightx_cli.quality.description import Describer
from sightx_cli.quality.fix_list import choose_rows, write_rows
from sightx_cli.quality.shortcuts import find_shortcuts
from sightx_cli.results.inspect import Copies, InspectResult, make_absolute

if TYPE_CHECKING:
    import pandas as pd

CLASS_EXAMPLES, CLASSES_SHOWN = 6, 30
"""Images of each class on the page, and of so many classes at the most."""


def inspect(
    source: str | Path,
    *,
    group_by: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    fix: Path | None = None,
    only: str | None = None,
    listener: Listener | None = None,
) -> InspectResult:
    """Look at labelled images: duplicates, leaks, outliers, doubtful labels, shortcuts, the shift and the recipe.

    `source` and `group_by` are as in `fit`. The findings appear in the folder `out`, or in a new one under
    `inspections/`, whole or not at all: fingerprint.json, findings.json, index.html and contact sheets. `fix` is a CSV
    file to write with the images to leave out. With `only="shift"` nothing but the shift and the recipe is looked for,
    and no file is written.

    Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    if only not in (None, "shift"):
        raise UsageError(f"--only {only}: allowed is shift", "--only shift")
    if only and (out is not None or fix is not None):
        raise UsageError("--only shift writes no files, so --out and --fix have nothing to hold", "leave --only out")
    if fix is not None:
        _check_fix(fix, overwrite)
    folder = None if only else runs.choose_inspection_folder(_name(str(source)), out, overwrite)
    manifest = load_manifest(source)
    for line in manifest.notes:
        listener.warn(line)
    if folder is None:
        return _measure_shift(manifest, listener, began)
    store = FeatureStore()
    frame, examination, unreadable = examine_images(manifest.frame, store, listener)
    frame = assign_groups(frame, group_by)
    read = time.perf_counter()
    analysis = analyse(manifest, frame, examination, store, listener)
    analysed = time.perf_counter()
    fingerprint = build_fingerprint(manifest, frame, unreadable, examination.headers)
    result = _gather(str(source), manifest, frame, examination, fingerprint, unreadable, analysis, group_by)
    rows = choose_rows(frame, examination.headers, analysis, unreadable)
    left_out = sum(row.action == LEAVE_OUT for row in rows)
    with runs.making_run(folder, overwrite) as making:
        result = replace(result, folder=folder, fix=fix, left_out=left_out)
        _write(result, fingerprint, frame, making.partial, _name(str(source)))
        seconds = {"read": read - began, "analyse": analysed - read, "write": time.perf_counter() - analysed}
        seconds["total"] = time.perf_counter() - began
        result = replace(result, seconds={name: round(value, 3) for name, value in seconds.items()})
        runs.write_json(making.partial / runs.FINDINGS, result.to_json())
    if fix is not None:
        write_rows(rows, fix)
    return replace(result, folder=making.folder)


def _check_fix(fix: Path, overwrite: bool) -> None:
    if fix.is_dir():
        raise RunError(f"--fix {fix}: is a folder", "name a file, such as leave-out.csv")
    if fix.exists() and not overwrite:
        raise RunError(f"--fix {fix}: exists already", "name another file, or add --overwrite to replace it")


def _name(source: str) -> str:
    """Name the data set in a word: its folder, or its table's name."""
    return Path(source.removeprefix("demo:")).absolute().stem or "images"


def _measure_shift(manifest: Manifest, listener: Listener, began: float) -> InspectResult:
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
        seconds={"total": round(time.perf_counter() - began, 3)},
    )


def _gather(
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
    """Find the groups ("" for none) that stand in more than one part: their names and the places of their images."""
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
    """Say what the file names suggest as groups, and how many of these stand in more than one part."""
    guess = guess_groups(frame["image"].tolist(), frame["label"].tolist())
    if guess is None:
        return None
    groups = find_names(guess.expression, name_files(frame["image"]))
    across = find_split_groups(groups, frame["split"].tolist())
    return {**vars(guess), "across_parts": len(across)}


def _write(result: InspectResult, fingerprint: Fingerprint, frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write the fingerprint, the page and the contact sheets; findings.json follows last, with the seconds."""
    from sightx_cli.report.inspection_page import write_page
    from sightx_cli.report.sheets import LIMIT, draw_sheet, load_tiles
    from sightx_cli.results.findings import take_rows

    describer = Describer("", frame)
    classes = []
    labels = frame["label"].to_numpy()
    for label, count in list(result.class_counts.items())[:CLASSES_SHOWN]:
        places = (labels == label).nonzero()[0][:CLASS_EXAMPLES]
        classes.append((label, count, [replace(describer.show(int(place)), label="") for place in places]))
    shown = [picture for _, _, pictures in classes for picture in pictures]
    shown += [picture for finding in result.findings for row in take_rows(finding, LIMIT) for picture in row]
    tiles = load_tiles(shown, measure_threads().decoding)
    for finding in result.findings:
        if finding.rows:
            draw_sheet(finding, tiles, folder / f"{finding.kind}.jpg")
    runs.write_json(folder / runs.FINGERPRINT, fingerprint.to_json())
    shift = f"{result.shift['score']:.2f}, {result.shift['verdict']}"
    advice = {"shift": shift, "recipe": result.recipe, "reason": result.reason}
    write_page(folder / runs.PAGE, name, result.facts, classes, result.findings, advice, tiles)

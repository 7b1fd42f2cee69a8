"""`inspect`: look at a data set before fitting, and say what is wrong with it and what to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sightx_cli import runs
from sightx_cli.data.exclusions import LEAVE_OUT
from sightx_cli.data.fingerprint import build_fingerprint
from sightx_cli.data.overview import describe_classes
from sightx_cli.data.pixel_notices import describe_pixels
from sightx_cli.data.set_range import measure_reading
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.splits import assign_groups
from sightx_cli.errors import RunError, UsageError
from sightx_cli.features.examination import examine_images
from sightx_cli.features.store import FeatureStore
from sightx_cli.filesystem import check_place
from sightx_cli.progress import Listener, Relay, Silent
from sightx_cli.quality.analysis import advise_again, analyse
from sightx_cli.quality.fix_list import choose_rows, write_rows
from sightx_cli.quality.inspection import advise_recipe, gather_findings
from sightx_cli.quality.repeats import CONTRADICTING, COPIES
from sightx_cli.quality.sample_bounds import sample_manifest
from sightx_cli.report.hidden_folder import making_folder
from sightx_cli.report.result_folder import choose_inspection_folder
from sightx_cli.results.inspect import InspectResult
from sightx_cli.steps.fit_plan import find_image_settings
from sightx_cli.steps.options import Options
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.steps.rehearsal import rehearse
from sightx_cli.steps.split import LEAK, LIKELY_GROUPS

READING_KEYS = ("image.page", "image.bands", "image.range")
"""The settings of a recipe that say how pixels are taken from the files."""


FOUND = {CONTRADICTING, COPIES, LEAK, LIKELY_GROUPS}
"""The kinds of what a fit notices that findings show with their pictures: these are not said in a line too."""


@keeping_random_state()
def inspect(
    source: str | Path,
    *,
    group_by: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    images: Path | None = None,
    label_by: str | None = None,
    multi_label: bool | None = None,
    settings: Sequence[str] | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    fix: Path | None = None,
    only: str | None = None,
    listener: Listener | None = None,
) -> InspectResult:
    """Look at labelled images: duplicates, leaks, outliers, doubtful labels, shortcuts, the shift and the recipe.

    The source and what says where its images, labels and groups stand are as in `fit`, and so are `settings`, of which
    only those that say how pixels are taken from the files are allowed, such as "image.page=2". Of more than 200,000
    images a sample is examined, which is said with what it leaves open. The findings appear in
    the folder `out`, or in a new one under `inspections/`, whole or not at all: fingerprint.json, findings.json,
    index.html, contact sheets, and leave-out.csv with the images to leave out where there are any. `fix` is another
    file for that list. With `only="shift"` only the shift and the recipe are measured, and no file is written.

    Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    listener = Relay(listener or Silent())
    if only not in (None, "shift"):
        raise UsageError(f"--only {only}: allowed is shift", "--only shift")
    if only and (out is not None or fix is not None):
        raise UsageError("--only shift writes no files, so --out and --fix have no effect", "leave --only out")
    if fix is not None:
        _check_fix(fix, overwrite)
    folder = None if only else choose_inspection_folder(_name(str(source)), out, overwrite)
    for option, path in (("--out", folder), ("--fix", fix)):
        if path is not None:
            check_place(option, path, path == fix or out is not None)
    check_settings(settings or ())
    asked = Options(
        source,
        group_by=group_by,
        image_column=image_column,
        label_column=label_column,
        images=images,
        label_by=label_by,
        multi_label=multi_label,
        settings=tuple(settings or ()),
    )
    manifest = load_manifest(source, asked.layout())
    for notice in (describe_classes(manifest), *manifest.notices):
        listener.notice(notice)
    whole, (manifest, sampled) = manifest, sample_manifest(manifest)
    if sampled is not None and folder is not None:
        listener.notice(sampled)
    reading = measure_reading(manifest.frame, find_image_settings(asked, manifest.frame), listener)
    if folder is None:
        seconds = {"total": round(time.perf_counter() - began, 3)}
        return replace(advise_recipe(whole, reading, listener), notices=tuple(listener.notices), seconds=seconds)
    store = FeatureStore()
    frame, examination, unreadable = examine_images(manifest.frame, store, listener, reading=reading)
    for notice in describe_pixels(frame["image"].tolist(), examination.found, unreadable, reading, manifest.notices):
        listener.notice(notice)
    frame = assign_groups(frame, group_by)
    read = time.perf_counter()
    analysis = analyse(manifest, frame, examination, store, listener)
    if sampled is not None:
        analysis = replace(analysis, advice=advise_again(analysis.advice, whole.frame))
    analysed = time.perf_counter()
    fingerprint = build_fingerprint(manifest, frame, unreadable, examination.headers)
    readable = frame.assign(digest=list(examination.digests))
    refusal, noticed = rehearse(asked, manifest, readable, analysis.advice.shift, store, reading, listener)
    for notice in noticed:
        if notice.kind not in FOUND:
            listener.notice(notice)
    rows = choose_rows(frame, examination.headers, analysis, unreadable)
    left_out = sum(row.action == LEAVE_OUT for row in rows)
    listed = fix or folder / runs.LEAVE_OUT_LIST
    result = gather_findings(
        asked.write_command(), manifest, frame, examination, fingerprint, unreadable, analysis, listed, refusal
    )
    from sightx_cli.report.inspection_files import write_inspection

    with making_folder(folder, overwrite) as making:
        if fix is None and rows:
            write_rows(rows, making.partial / runs.LEAVE_OUT_LIST)
        shown = listed if fix is not None or rows else None
        said = (*listener.notices, *(notice for notice in noticed if notice not in listener.notices))
        result = replace(result, folder=folder, fix=shown, left_out=left_out, notices=said)
        write_inspection(result, fingerprint, frame, making.partial, _name(str(source)), manifest.separator, reading)
        seconds = {"read": read - began, "analyse": analysed - read, "write": time.perf_counter() - analysed}
        seconds["total"] = time.perf_counter() - began
        result = replace(result, seconds={name: round(value, 3) for name, value in seconds.items()})
        runs.write_json(making.partial / runs.FINDINGS, result.to_json())
    if fix is not None:
        write_rows(rows, fix)
    return replace(result, folder=making.folder)


def check_settings(settings: Sequence[str]) -> None:
    """Raise UsageError for a setting that is not about how pixels are taken from the files."""
    for setting in settings:
        if setting.partition("=")[0].strip() not in READING_KEYS:
            raise UsageError(
                f"--set {setting}: inspect looks at the images, not at a recipe; allowed: {', '.join(READING_KEYS)}",
                "leave it out here, and give it to fit",
            )


def _check_fix(fix: Path, overwrite: bool) -> None:
    if fix.is_dir():
        raise RunError(f"--fix {fix}: is a folder", "name a file, such as leave-out.csv")
    if fix.exists() and not overwrite:
        raise RunError(f"--fix {fix}: exists already", "name another file, or add --overwrite to replace it")


def _name(source: str) -> str:
    """Name the data set in a word: its folder, or its table's name."""
    return Path(source.removeprefix("demo:")).absolute().stem or "images"

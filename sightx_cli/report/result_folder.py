"""Where an inspection, an evaluation or a command's picture will lie: a new place, or one that may be replaced."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from sightx_cli import runs
from sightx_cli.errors import RunError, UsageError, quote
from sightx_cli.filesystem import refuse_foreign

SHEETS = ("conflicts", "leaks", "groups", "likely-groups", "duplicates", "doubts", "outliers")
"""Kinds of findings that have pictures, each drawn on a sheet of its own."""


def choose_inspection_folder(name: str, out: Path | None, overwrite: bool) -> Path:
    """Return the folder for an inspection; raises RunError when `out` exists and may not be replaced."""
    if out is None or not out.exists():
        return _place_new(runs.INSPECTIONS, name, out)
    is_ours = (out / runs.FINDINGS).is_file()
    sheets = [f"{kind}.jpg" for kind in SHEETS]
    own = [runs.FINGERPRINT, runs.FINDINGS, runs.PAGE, runs.LEAVE_OUT_LIST, *sheets]
    return _check_replaceable(out.absolute(), "inspection", is_ours, own, overwrite)


def choose_evaluation_folder(name: str, out: Path | None, overwrite: bool) -> Path:
    """Return the folder for an evaluation; raises RunError when `out` exists and may not be replaced."""
    if out is None or not out.exists():
        return _place_new(runs.EVALUATIONS, name, out)
    is_ours = (out / runs.METRICS).is_file() and not (out / runs.PLAN).exists()
    own = [runs.METRICS, "predictions.csv", runs.REPORT, runs.MODEL_CARD]
    return _check_replaceable(out.absolute(), "evaluation", is_ours, own, overwrite)


def choose_picture(command: str, out: Path | None, overwrite: bool) -> Path:
    """Return where a command's picture will lie, a .png file or a folder for it; refuses one that exists already."""
    if out is None:
        return runs.find_free((runs.RUNS / f"{datetime.now():%Y%m%d-%H%M%S}-{command}.png").absolute())
    if out.is_file() and out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: is a file and no .png", f"--out {quote(out.with_suffix('.png'))}, or a folder")
    picture = out if out.suffix.lower() == ".png" else out / f"{command}.png"
    if picture.exists() and not overwrite:
        raise UsageError(f"--out {picture}: exists already", "name another file, or add --overwrite")
    return picture.absolute()


def _place_new(within: Path, name: str, out: Path | None) -> Path:
    named = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}"
    return runs.find_free((within / named).absolute()) if out is None else out.absolute()


def _check_replaceable(out: Path, what: str, is_ours: bool, own: Collection[str], overwrite: bool) -> Path:
    if not (out.is_dir() and (is_ours or not any(out.iterdir()))):
        raise RunError(f"--out {out}: exists already, and is not an {what} by SightX", "choose another name")
    if not overwrite:
        raise RunError(f"--out {out}: exists already", "choose another folder, or add --overwrite to replace it")
    refuse_foreign("--out", out, own)
    return out

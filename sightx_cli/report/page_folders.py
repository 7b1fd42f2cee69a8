"""Where an inspection and an evaluation lie: folders with a page of their own, outside of any run."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from sightx_cli import runs
from sightx_cli.errors import RunError


def choose_inspection_folder(name: str, out: Path | None, overwrite: bool) -> Path:
    """Return the folder for an inspection; raises RunError when `out` exists and may not be replaced."""
    if out is None:
        named = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}"
        return runs.find_free((runs.INSPECTIONS / named).absolute())
    out = out.absolute()
    if out.exists() and not overwrite:
        raise RunError(f"--out {out}: exists already", "choose another folder, or add --overwrite to replace it")
    if out.exists() and not (out.is_dir() and ((out / runs.FINDINGS).is_file() or not any(out.iterdir()))):
        raise RunError(f"--out {out}: is not an inspection by SightX, so not overwritten", "choose another folder")
    return out


def choose_evaluation_folder(name: str, out: Path | None, overwrite: bool) -> Path:
    """Return the folder for an evaluation; raises RunError when `out` exists and may not be replaced."""
    if out is None:
        named = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}"
        return runs.find_free((runs.EVALUATIONS / named).absolute())
    out = out.absolute()
    if out.exists() and not overwrite:
        raise RunError(f"--out {out}: exists already", "choose another folder, or add --overwrite to replace it")
    is_ours = (out / runs.METRICS).is_file() and not (out / runs.PLAN).exists()
    if out.exists() and not (out.is_dir() and (is_ours or not any(out.iterdir()))):
        raise RunError(f"--out {out}: is not an evaluation by SightX, so not overwritten", "choose another folder")
    return out

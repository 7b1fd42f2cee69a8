"""Exports in a run that decide by another stored threshold than the run does: they hold the one of their day."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.export_folder import CONTRACT, RECORD
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.progress import Notice


def find_outdated_exports(run: Path, facts: BundleFacts) -> list[Path]:
    """Find the folders of exports in a run whose contract names another decision, or cannot be read."""
    now = None if facts.decision is None else json.loads(json.dumps(asdict(facts.decision)))
    found = []
    for record in sorted((run / runs.EXPORT).glob(f"*/{RECORD}")):
        try:
            is_same = json.loads((record.parent / CONTRACT).read_text(encoding="utf-8"))["decision"] == now
        except (OSError, ValueError, KeyError, TypeError):
            is_same = False
        if not is_same:
            found.append(record.parent)
    return found


def warn_of_outdated_exports(run: Path, facts: BundleFacts) -> Notice | None:
    """Warn of exports in a run that decide otherwise than it does now, with what writes them anew; None of none."""
    found = find_outdated_exports(run, facts)
    if not found:
        return None
    names = ", ".join(folder.name for folder in found)
    which, them = ("exports that still decide", "them") if len(found) > 1 else ("an export that still decides", "it")
    commands = " && ".join(write_export_command(run, folder) for folder in found)
    text = f"{run / runs.EXPORT} holds {which} as the run did before: {names}; to write {them} anew: {commands}"
    return Notice("outdated-exports", text, len(found), warns=True)


def write_export_command(run: Path, folder: Path) -> str:
    """Write the command that replaces an export in a run."""
    name, _, precision = folder.name.partition("-")
    kept_in = ["--precision", precision] if precision else []
    return shlex.join(["sightx", "export", str(run), "--format", name, *kept_in, "--overwrite"])

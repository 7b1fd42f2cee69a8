"""The store's folder on disk: sizes, times of use, removal; files that another process removes are not an error."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from sightx_cli.engine.graph_files import list_graph_files
from sightx_cli.features.shards import HEADER


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; empty if it does not exist (any more)."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def list_shards(outputs: Path) -> list[Path]:
    """Return the folders of all complete shards; remove what killed processes left half-written, or half-removed.

    Windows removes no file that another process has mapped into its memory: such a shard loses its header first.
    """
    views = [view for prefix in list_folders(outputs) for view in list_folders(prefix)]
    folders = [folder for view in views for folder in list_folders(view)]
    for folder in folders:
        if not is_whole(folder) and is_abandoned(last_written(folder)):
            shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in folders if is_whole(folder)]


def list_graphs(graphs: Path) -> list[Path]:
    """Return the converted graphs (.xml); remove what killed processes left half-written."""
    try:
        files = sorted(graphs.iterdir())
    except OSError:
        return []
    for file in files:
        if file.name.startswith(".") and is_abandoned(last_changed(file)):
            file.unlink(missing_ok=True)
    return [file for file in files if file.suffix == ".xml" and not file.name.startswith(".")]


def is_whole(folder: Path) -> bool:
    """Tell whether a shard's folder was written completely and has not been removed."""
    return not folder.name.startswith(".") and (folder / HEADER).exists()


def remove_unit(path: Path) -> None:
    """Remove a shard or a graph, its header first: without it, the rest is never taken for complete."""
    if path.suffix == ".xml":
        for file in list_graph_files(path):
            file.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):
        (path / HEADER).unlink()
    shutil.rmtree(path, ignore_errors=True)


def last_used(folder: Path) -> float:
    """Return when a shard was last used, in seconds since the epoch."""
    return last_changed(folder / HEADER)


def last_changed(path: Path) -> float:
    """Return when a path was last changed, in seconds since the epoch; 0 when another process removed it."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def describe_shard(folder: Path) -> str:
    """Return a shard's own description; "damaged" for one that its next reader will discard."""
    try:
        return str(json.loads((folder / HEADER).read_text())["what"])
    except (ValueError, KeyError, TypeError, OSError):
        return "damaged"


def measure_graph(graph: Path) -> int:
    """Return the size of a graph's files, in bytes."""
    total = 0
    for file in list_graph_files(graph):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def is_abandoned(written: float) -> bool:
    """Tell whether something half-written has not been touched for an hour: longer than any batch takes."""
    return 0 < written < time.time() - 3600


def last_written(folder: Path) -> float:
    """Return when a folder or a file in it was last changed, in seconds since the epoch."""
    try:
        return max(map(last_changed, [folder, *folder.iterdir()]))
    except OSError:
        return 0.0

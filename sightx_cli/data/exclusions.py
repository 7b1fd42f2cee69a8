"""Reads a list of images to leave out, as written by `sightx inspect`, and removes them from a manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sightx_cli.data.manifest import Manifest
from sightx_cli.data.tables import exists, read_table, require_columns
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice

LEAVE_OUT = "leave out"
"""The value of the column `action` that excludes a row; without that column every row is excluded."""


@dataclass(frozen=True)
class Exclusion:
    """A manifest without the listed images, how many those were, and the names that matched nothing."""

    manifest: Manifest
    excluded: int
    unmatched: tuple[str, ...]


def exclude_images(manifest: Manifest, table: Path) -> Exclusion:
    """Leave out the images listed in a table's column `image`, named as in the manifest or by absolute path.

    Where the table has a column `action`, only its rows with "leave out" count.

    Raises: `DataError` if the table is missing, cannot be read, lacks the column, or names every image.
    """
    table = table.expanduser()
    if not exists(table):
        raise DataError(f"--exclude {table}: no such file", "sightx inspect DATA writes one")
    listed = read_table(table)
    rows = require_columns(listed, table, ["image"])
    if "action" in rows.columns:
        rows = rows[rows["action"].str.strip().str.lower() == LEAVE_OUT]
    named = {name.strip() for name in rows["image"] if name.strip()}
    frame = manifest.frame
    by_path = {os.path.normpath(path): image for image, path in zip(frame["image"], frame["path"], strict=True)}
    known = set(frame["image"])
    matched = {name: name if name in known else _find_image(name, manifest.root, by_path) for name in named}
    found = {image for image in matched.values() if image}
    kept = frame[~frame["image"].isin(found)].reset_index(drop=True)
    excluded = len(frame) - len(kept)
    if not len(kept):
        raise DataError(f"--exclude {table}: it leaves out all {len(frame):,} images", "remove rows from it")
    text = f"left out {excluded:,} image{'s' * (excluded != 1)} listed in {table.name}"
    said = (Notice("excluded", text, excluded),) if excluded else ()
    unmatched = tuple(sorted(name for name, image in matched.items() if not image))
    notices = (*manifest.notices, *listed.notices, *said)
    return Exclusion(replace(manifest, frame=kept, notices=notices), excluded, unmatched)


def _find_image(name: str, root: Path, by_path: dict[str, str]) -> str:
    """Return the manifest's name for an image given by a path, absolute or below the source's folder, or ""."""
    return by_path.get(os.path.normpath(root / name.replace("\\", os.sep)), "")

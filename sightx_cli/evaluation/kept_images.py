"""The image files of a part of a finished run: where it found them, or wherever they lie now, told by their digests."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli import runs
from sightx_cli.data.cells import unshield_cell
from sightx_cli.data.contents import digest_file
from sightx_cli.data.demo import DEMO_PREFIX
from sightx_cli.data.layout import Layout
from sightx_cli.data.packed.shard_set import find_shards
from sightx_cli.data.queries import build_query
from sightx_cli.data.readers import ImageFileError
from sightx_cli.data.readers.references import is_packed
from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError, RunError, quote
from sightx_cli.filesystem import read_ordinary


@dataclass(frozen=True)
class KeptImages:
    """Files of a part that are there, byte for byte, with their labels."""

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    wanted: int
    """How many of the part were looked for: all, or as many as were asked for."""
    part: int
    """How many the part has."""


def find_kept_images(run: Path, part: str, most: int, data: str | Path | None = None) -> KeptImages:
    """Find up to `most` images of a part ("train", "valid"), spread over it, in `data` or where the fit found them.

    A file counts where its bytes are those that the fit read. Raises RunError where the run does not say which images
    it had, DataError where `data` cannot be read.
    """
    rows = _read_part(run / runs.SPLIT, part)
    chosen = [
        rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    ]
    source, layout = (data, Layout()) if data is not None else read_source(run)
    by_name = _list_by_name(source, layout, [row["image"] for row in chosen], data is not None)
    found = {
        row["image"]: by_name[row["image"]] for row in chosen if _is_same(by_name.get(row["image"]), row["digest"])
    }
    missing = {row["digest"]: row["image"] for row in chosen if row["image"] not in found and row["digest"]}
    if data is not None and missing:
        found |= _find_by_digest(data, missing)
    there = [row for row in chosen if row["image"] in found]
    paths, labels = (tuple(found[row["image"]] for row in there), tuple(row["label"] for row in there))
    return KeptImages(paths, labels, len(chosen), len(rows))


def read_source(run: Path) -> tuple[str, Layout]:
    """Read from a run's plan where its fit found the images; raises RunError where it does not say."""
    try:
        words = shlex.split(json.loads(read_ordinary(run / runs.PLAN))["command"])
        given = {flag: value for flag, value in pairwise(words) if flag.startswith("--")}
        images = given.get("--images")
        return words[2], Layout(image_column=given.get("--image-column"), images=Path(images) if images else None)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunError(
            f"{run / runs.PLAN}: does not say where the images of this run lie",
            f"say where they are: sightx export {quote(run)} --data FOLDER",
        ) from error


def _read_part(path: Path, part: str) -> list[dict[str, str]]:
    try:
        frame = read_table(path).frame
        rows = frame.loc[frame["split"] == part, ["image", "label", "digest"]].to_dict("records")
    except (DataError, KeyError) as error:
        raise RunError(
            f"{path}: cannot be read, so nobody knows which images this model was validated on",
            "copy the whole run from where it was made",
        ) from error
    return [{str(name): str(unshield_cell(text)) for name, text in row.items()} for row in rows]


def _list_by_name(source: str | Path, layout: Layout, names: Sequence[str], is_named: bool) -> Mapping[str, str]:
    """Return where each image would lie by its name; raises DataError for a named source that cannot be read."""
    if str(source).startswith(DEMO_PREFIX) or find_shards(source, image_column=layout.image_column) is not None:
        from sightx_cli.data.sources import load_manifest

        frame = load_manifest(source, layout).frame
        return dict(zip(frame["image"], frame["path"], strict=True))
    place = Path(source).expanduser().absolute()
    if place.is_dir():
        return {name: str(place / name) for name in names}
    try:
        return {row.image: row.path for row in build_query([place], layout).rows if row.path}
    except DataError:
        if is_named:
            raise
        return {}


def _is_same(path: str | None, digest: str) -> bool:
    """Whether a file is there and, where the run kept digests, is the one that it read."""
    if path is None or not (is_packed(path) or Path(path).is_file()):
        return False
    try:
        return not digest or digest_file(path) == digest
    except ImageFileError:
        return False


def _find_by_digest(data: str | Path, missing: Mapping[str, str]) -> dict[str, str]:
    """Look for images by their digests among all files of a folder or table."""
    found: dict[str, Any] = {}
    for row in build_query([data]).rows:
        if len(found) == len(missing):
            break
        try:
            digest = digest_file(row.path) if row.path else ""
        except ImageFileError:
            continue
        if digest in missing:
            found[missing[digest]] = row.path
    return found

"""The labels of keys such as train/cats/12: the folders within a tar, by the rules of folders on a disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightx_cli.data.layouts.part_names import name_parts
from sightx_cli.data.spellings import unify_spellings
from sightx_cli.progress import Notice


@dataclass(frozen=True)
class FolderLabels:
    """The label and the part of each image, "" for none, and what is said of them."""

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    notices: tuple[Notice, ...]


def read_folder_labels(folders: Sequence[str]) -> FolderLabels:
    """Read labels (N,) from folders: the first that is not the same for all, or the one in a part."""
    paths = {folder: folder.split("/") if folder else [] for folder in dict.fromkeys(folders)}
    depth = 0
    while len(paths) > 1 and len({tuple(parts[: depth + 1]) for parts in paths.values()}) == 1:
        depth += 1
    tops = {_pick(parts, depth) for parts in paths.values()} - {""}
    named = name_parts(tops)
    is_split = set(named) == tops and "train" in named.values()
    labels = [_pick(paths[folder], depth + is_split) for folder in folders]
    parts = [named[_pick(paths[folder], depth)] if is_split and paths[folder] else "" for folder in folders]
    unified, spelled = unify_spellings(labels, "folders within the shards")
    count = len(set(unified) - {""})
    where = f", parts {', '.join(sorted(named))}" if is_split else ""
    text = f"labels from the folders within the shards ({count:,} classes{where}); if wrong, add --label-column NAME"
    return FolderLabels(tuple(unified), tuple(parts), (Notice("columns", text, count), *spelled))


def _pick(parts: Sequence[str], depth: int) -> str:
    return parts[depth] if len(parts) > depth else ""

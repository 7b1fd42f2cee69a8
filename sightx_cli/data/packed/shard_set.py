"""Which shards a source means: a file, a pattern such as data-{000..099}.tar, or a folder of them; their parts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightx_cli.data.file_kinds import FileKinds
from sightx_cli.data.folders import Folder, is_left_by_programs, natural_key
from sightx_cli.data.layouts.part_names import name_parts, read_part_name
from sightx_cli.data.packed.parquet_columns import (
    ENCRYPTED,
    describe_lack,
    find_image_columns,
    find_number_lists,
    read_parquet_schema,
)
from sightx_cli.data.packed.shard_faults import ShardError
from sightx_cli.data.tables import exists
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

TAR_SUFFIX = ".tar"
PARQUET_SUFFIXES = (".parquet", ".pq")
ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip")
"""Taken for shards only to be refused by what they are."""
DEEPEST = 3
"""Shards are looked for in so many folders below the one given."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")
_OF = re.compile(r"[-_.]?\d+(?:[-_]of[-_]\d+)?(?:-[0-9a-f]{16})?$", re.IGNORECASE)
"""What numbers a shard: -00000-of-00005, as `datasets` names them (older versions with a digest), or -000123."""


@dataclass(frozen=True)
class ShardSet:
    """The shards of a source in natural order, the folder that their names are relative to, and what to say."""

    root: Path
    files: tuple[Path, ...]
    notices: tuple[Notice, ...] = ()


def is_tar_name(path: Path) -> bool:
    """Whether a file of this name is read as tar, or refused as an archive of another kind."""
    return path.name.lower().endswith((TAR_SUFFIX, *ARCHIVES))


def is_pattern(source: str) -> bool:
    """Whether a source is a pattern of shards, such as x-{000..099}.tar or x-*.parquet, and no file of that name."""
    plain = source.lower().endswith((TAR_SUFFIX, *PARQUET_SUFFIXES))
    return plain and any(sign in source for sign in "{*?[") and not exists(Path(source).expanduser())


def find_shards(
    source: str | Path, top: Folder | None = None, image_column: str | None = None, beside_images: bool = False
) -> ShardSet | None:
    """Find the shards that a source means; None where it means something else.

    `top` is the source where it is a folder that has been opened; in a folder with images in folders there is no shard,
    and directly in it they may lie only with `beside_images`: they are left out, and said. `image_column` is what the
    user called the column of images: a table of paths has one, too.

    Raises: `DataError` for a pattern without a file, for a folder with shards of two kinds, and for Parquet given by
    itself that is encrypted or holds images as numbers.
    """
    if is_pattern(str(source)):
        return _find_by_pattern(str(source))
    path = Path(source).expanduser().absolute()
    if top is not None or path.is_dir():
        return _find_in_folder(top or Folder(path, FileKinds()), image_column, beside_images)
    if is_tar_name(path) or (path.suffix.lower() in PARQUET_SUFFIXES and _is_packed(path, image_column)):
        return ShardSet(path.parent, (path,))
    return None


def _find_in_folder(folder: Folder, image_column: str | None, beside_images: bool) -> ShardSet | None:
    if any(inner.has_images for inner in folder.folders) or (folder.images and not beside_images):
        return None
    root = folder.path.absolute()
    found = sorted(_list_shards(root, DEEPEST), key=lambda path: natural_key(str(path)))
    tars = [path for path in found if is_tar_name(path) and not path.name.lower().endswith(".zip")]
    tables = [path for path in found if path.suffix.lower() in PARQUET_SUFFIXES]
    packed = [path for path in tables if _is_broken(path) or holds_images(path, image_column)] if tables else []
    if tars and packed:
        raise DataError(
            f"{folder.path} holds {len(tars):,} tar and {len(packed):,} Parquet files of images",
            f"name those to use: {quote(folder.path / '*.tar')} or {quote(folder.path / '*.parquet')}",
        )
    files = tars or packed
    if not files or (not tars and all(map(_is_broken, packed)) and len(tables) > len(packed)):
        return None
    notices = []
    if len(tables) > len(packed):
        other = next(path for path in tables if path not in packed)
        text = f"passed over {len(tables) - len(packed):,} Parquet files without images, such as {other.name}"
        notices.append(Notice("shards-other", text, len(tables) - len(packed), warns=True))
    if folder.images:
        text = f"left out {len(folder.images):,} images that lie beside the shards, such as {folder.images[0]}"
        notices.append(Notice("loose-images", text, len(folder.images), warns=True))
    return ShardSet(root, tuple(files), tuple(notices))


def holds_images(path: Path, image_column: str | None = None) -> bool:
    """Whether a Parquet file holds images as bytes, in the column asked for; also one that can only be refused."""
    try:
        schema = read_parquet_schema(path)
    except ShardError:
        return False
    found = find_image_columns(path, schema)
    return bool(found) and (image_column not in schema.names or image_column in [one.name for one in found])


def _is_packed(path: Path, image_column: str | None) -> bool:
    """As `holds_images`, of a file that is given by itself; raises `ShardError` where its images cannot be read."""
    if not path.is_file():
        return False
    try:
        schema = read_parquet_schema(path)
    except ShardError as error:
        if ENCRYPTED in error.reason:
            raise
        return False  # the table's own reader says it
    if image_column is None and not find_image_columns(path, schema) and find_number_lists(schema):
        raise ShardError(path, *describe_lack(schema, None))
    return holds_images(path, image_column)


def name_shard_parts(files: Sequence[Path], root: Path) -> tuple[dict[Path, str], list[Notice]]:
    """Tell the part of each shard by its name, else by its folder's: train-0000.tar, validation-00000-of-00002.parquet.

    One part alone is no split: all are "" then. A shard whose name is no part beside such as are is not in the result,
    which is said.
    """
    for names in ({path: _strip_number(path) for path in files}, {path: _name_folder(path, root) for path in files}):
        parts = name_parts(set(names.values()) - {""})
        if len(set(parts.values())) < 2:
            continue
        placed = {path: parts[name] for path, name in names.items() if name in parts}
        left = [path for path in files if path not in placed]
        said = []
        if left:
            unlabelled = read_part_name(names[left[0]]).part == "unlabelled"
            why = "still to be labelled by their name" if unlabelled else "whose name is no part beside train"
            text = f"left out {len(left):,} shards {why}, such as {left[0].name}"
            said.append(Notice("other-shards", text, len(left), warns=True))
        return placed, said
    return dict.fromkeys(files, ""), []


def _find_by_pattern(source: str) -> ShardSet:
    names = list(expand_braces(str(Path(source).expanduser())))
    files, missing = [], []
    for name in names:
        found = sorted(_glob(name), key=lambda path: natural_key(str(path)))
        files += found
        missing += [] if found else [name]
    if not files:
        raise DataError(
            f"{source}: none of its {len(names):,} files exists" if len(names) > 1 else f"{source}: no such file",
            f"see what is there: ls {quote(Path(names[0]).absolute().parent)}",
        )
    files = list(dict.fromkeys(path.absolute() for path in files))
    said = []
    if missing:
        text = (
            f"{len(missing):,} of the {len(names):,} shards of {source} do not exist, such as {Path(missing[0]).name}"
        )
        said.append(Notice("missing-shards", text, len(missing), warns=True))
    folders = [str(path.parent) for path in files]
    return ShardSet(Path(os.path.commonpath(folders)), tuple(files), tuple(said))


def expand_braces(text: str) -> Iterator[str]:
    """Yield what a pattern with braces stands for, as a shell does it: {000..099} with its zeros, and {a,b}."""
    if found := _RANGE.search(text):
        first, last = found[1], found[2]
        width = len(first) if first.startswith("0") or last.startswith("0") else 0
        step = 1 if int(first) <= int(last) else -1
        words = [str(number).zfill(width) for number in range(int(first), int(last) + step, step)]
    elif found := _CHOICE.search(text):
        words = found[1].split(",")
    else:
        yield text
        return
    for word in words:
        yield from expand_braces(text[: found.start()] + word + text[found.end() :])


def _glob(name: str) -> list[Path]:
    path = Path(name)
    if not any(sign in name for sign in "*?["):
        return [path] if path.is_file() else []
    anchor, rest = (Path(path.anchor), path.parts[1:]) if path.is_absolute() else (Path(), path.parts)
    return [one for one in anchor.glob(str(Path(*rest))) if one.is_file()]


def _list_shards(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the files that may be shards in a folder, and in those below it."""
    try:
        with os.scandir(folder) as found:
            entries = [
                entry for entry in found if not entry.name.startswith(".") and not is_left_by_programs(entry.name)
            ]
    except OSError:
        return  # `Folder` has reported it
    for entry in entries:
        path = Path(entry.path)
        if entry.is_file():
            if is_tar_name(path) or path.suffix.lower() in PARQUET_SUFFIXES:
                yield path
        elif depth and entry.is_dir():
            yield from _list_shards(path, depth - 1)


def _is_broken(path: Path) -> bool:
    """Whether a Parquet file cannot even be opened: it is counted with the shards, and named."""
    try:
        read_parquet_schema(path)
    except ShardError:
        return True
    return False


def _strip_number(path: Path) -> str:
    stem = path.name[: -len(path.suffix)] if path.suffix else path.name
    return _OF.sub("", stem)


def _name_folder(path: Path, root: Path) -> str:
    """Return the first folder below the root that says a part."""
    for folder in path.relative_to(root).parts[:-1]:
        if read_part_name(folder).part:
            return folder
    return ""

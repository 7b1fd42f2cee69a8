"""What is to be predicted: each row of a table or shard in its order, with its columns; each file of a folder once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from sightx_cli.data.file_kinds import FileKinds
from sightx_cli.data.folders import Folder, Listing, list_images
from sightx_cli.data.layout import FOUND_OUT, Layout, check_source
from sightx_cli.data.packed.shard_set import ShardSet, find_shards, is_pattern
from sightx_cli.data.readers import list_suffixes
from sightx_cli.data.readers.references import MARK, is_packed
from sightx_cli.data.readers.remote_file import hide_secrets, is_remote
from sightx_cli.data.remote_sources import list_remote_images
from sightx_cli.data.tables import exists, is_table_name, read_table, rename_given
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.tables.column_names import simplify

IMAGE = "image"


class QueryRow(NamedTuple):
    """One row to predict: the image as given, its absolute path ("": the table names none), its cells of the query's
    columns."""

    image: str
    path: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """All rows to predict, and the tables' own columns, in their order."""

    rows: list[QueryRow]
    columns: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    types: Mapping[str, Any] = field(default_factory=dict)
    """The columns that are no text in the tables that have them, with their type (see `tables.parquet_types`)."""

    def count_files(self) -> int:
        """Count the different files."""
        return len({row.path for row in self.rows if row.path})


def build_query(sources: Sequence[str | Path], layout: Layout = FOUND_OUT) -> Query:
    """List the rows to predict: of each source in turn, folders (recursively), files, and tables.

    A table gives one row for each of its rows, in its order, with its own columns; the union of them where there are
    several tables. A file in a folder, or given itself, is listed once, and not where a row before names it. The image
    is the source as typed with the folders below it, or a table's value. pandas is imported only for a table, so that
    predicting one image is quick.

    Raises: `DataError` for a missing path, a source without images, and a table of which the images cannot be told;
    `UsageError` for options that are for tables where there is none.
    """
    parts: list[Query] = []
    seen: set[str] = set()
    for source in sources:
        if is_remote(source):
            uris, notices = list_remote_images(str(source))
            named = [QueryRow(hide_secrets(uri), uri) for uri in uris if uri not in seen]
            parts.append(Query(named, (), notices))
            seen.update(uris)
            continue
        given = Path(source).expanduser()
        if is_packed(given) and not exists(given):
            parts.append(Query([_name_packed(given)]))
            continue
        if not is_pattern(str(source)):
            check_source(given)
        top = Folder(given, FileKinds()) if given.is_dir() else None
        shards = find_shards(source, top, layout.image_column)
        if shards is not None:
            parts.append(_read_shards(shards, given, layout))
            seen.update(row.path for row in parts[-1].rows)
            continue
        if top is None and is_table_name(given):
            parts.append(_read_table(given.absolute(), layout))
            seen.update(row.path for row in parts[-1].rows)
            continue
        images, notices = _list_files(given, top)
        fresh = [(image, path) for image, path in images if path not in seen]
        parts.append(Query([QueryRow(image, path) for image, path in fresh], (), notices))
        seen.update(path for _, path in images)
    if not any(part.rows for part in parts):
        raise DataError("no images were given", "type sightx predict FOLDER")
    if not any(part.columns for part in parts):
        layout.refuse_for_images(sources[0], "none")
    columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
    rows = [row for part in parts for row in _align(part, columns)]
    return Query(rows, columns, tuple(notice for part in parts for notice in part.notices), _join_types(parts))


def _join_types(parts: Sequence[Query]) -> dict[str, Any]:
    """Join the types of columns: those in which all tables that have the column agree."""
    found: dict[str, list[Any]] = {}
    for part in parts:
        for name in part.columns:
            found.setdefault(name, []).append(part.types.get(name))
    return {
        name: kinds[0] for name, kinds in found.items() if kinds[0] is not None and kinds.count(kinds[0]) == len(kinds)
    }


def _name_packed(given: Path) -> QueryRow:
    """Name one image of a shard, x.tar::12.jpg."""
    shard = Path(str(given).partition(MARK)[0])
    check_source(shard)
    return QueryRow(str(given), str(given.absolute()))


def _list_files(given: Path, top: Folder | None) -> tuple[list[tuple[str, str]], tuple[Notice, ...]]:
    """List (image, path) of a folder's images, or of one file."""
    if top is None:
        return [(str(given), str(given.absolute()))], ()
    listing = Listing(kinds=top.kinds)
    images = [(str(image), str(image.absolute())) for image in list_images(top, listing)]
    notices = listing.list_notices()
    if not images:
        said = "; ".join(notice.text for notice in notices)
        raise DataError(f"{given} contains no images", said or "give a folder of images")
    return images, tuple(notices)


def _read_shards(shards: ShardSet, given: Path, layout: Layout) -> Query:
    """List the images of shards, in the order of the shards and within each; Parquet's other columns are kept."""
    from sightx_cli.data.packed.packed_rows import read_packed_rows

    if layout.images is not None:
        replace(layout, image_column=None).refuse_for_images(given, "a shard, which holds its images")
    packed = read_packed_rows(shards, layout, with_labels=False)
    typed = given if given.is_dir() else given.parent
    kept = rename_given(list(packed.columns.columns), [IMAGE])
    columns = (IMAGE, *kept.values()) if kept else ()
    images = [str(typed / image) for image in packed.images]
    cells = zip(images, *(packed.columns[name].tolist() for name in kept), strict=True) if kept else ((),) * len(images)
    rows = [QueryRow(*row) for row in zip(images, packed.paths.tolist(), cells, strict=True)]
    return Query(rows, columns, (*shards.notices, *packed.notices, *packed.faults.list_notices()))


def _read_table(path: Path, layout: Layout) -> Query:
    """Read a table's rows. Its column with the images is called image if its name is that, in any case."""
    from sightx_cli.tables.columns import choose_image_column, describe_columns
    from sightx_cli.tables.image_finder import ImageFinder
    from sightx_cli.tables.located_images import describe_missing, locate_images
    from sightx_cli.tables.parquet_types import find_column_types

    table = read_table(path)
    finder = ImageFinder(path.parent, layout.find_images_folder(), list_suffixes())
    column = choose_image_column(table.frame, path, layout.image_column, finder)
    names = table.frame[column.name].tolist()
    located = locate_images(names, finder, path, lambda place: table.frame.iloc[place])
    is_documented = simplify(column.name) == IMAGE
    others = [name for name in table.frame.columns if not (is_documented and name == column.name)]
    kept = rename_given(others, [IMAGE])
    columns = tuple(kept.get(name, IMAGE) for name in table.frame.columns)
    cells = zip(*(table.frame[name].tolist() for name in table.frame.columns), strict=True)
    said = [*table.notices, describe_columns(path, {"image names": column}), *located.notices]
    if located.missing:
        text = f"{describe_missing(names, located, finder, path)}; their rows have an error"
        said.append(Notice("missing-files", text, len(located.missing), warns=True))
    rows = [QueryRow(*row) for row in zip(names, located.paths, cells, strict=True)]
    types = {kept.get(name, name): kind for name, kind in find_column_types(path, table.frame).items()}
    return Query(rows, columns, tuple(notice for notice in said if notice is not None), types)


def _align(part: Query, columns: tuple[str, ...]) -> list[QueryRow]:
    """Bring a source's cells into the order of all columns; empty where it has none."""
    if part.columns == columns:
        return part.rows
    place = {name: number for number, name in enumerate(part.columns)}
    order = [place.get(name) for name in columns]
    return [
        row._replace(cells=tuple("" if number is None else row.cells[number] for number in order)) for row in part.rows
    ]

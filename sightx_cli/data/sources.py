"""Reads the layout of the user's labelled data: class folders, train/ and valid/, a table, shards, names, a demo."""

from __future__ import annotations

from pathlib import Path

from sightx_cli.data.class_folders import load_class_folders
from sightx_cli.data.column_file import working_on_tables
from sightx_cli.data.demo import DEMO_PREFIX, load_demo
from sightx_cli.data.file_kinds import FileKinds
from sightx_cli.data.folders import Folder, is_valid_text
from sightx_cli.data.label_sets import settle_label_sets
from sightx_cli.data.labelled_table import load_labelled_table
from sightx_cli.data.layout import FOUND_OUT, LAYOUT_HINT, Layout, check_source
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.name_labels import load_named_images
from sightx_cli.data.packed.shard_set import TAR_SUFFIX, ShardSet, find_shards, is_pattern
from sightx_cli.data.readers.remote_file import hide_secrets, is_remote
from sightx_cli.data.tables import TABLE_SUFFIXES, is_table_name
from sightx_cli.errors import DataError, UsageError, quote


@working_on_tables()
def load_manifest(source: str | Path, layout: Layout = FOUND_OUT) -> Manifest:
    """Read the layout of a source: a folder, a table (CSV, TSV, Excel, Parquet), shards, or `demo:solar`.

    Shards are tar files, or Parquet with the bytes of the images: one, a folder of them, or a pattern such as
    x-{00..99}.tar. No image is opened.

    `layout` holds what the user says of it; the rest is found out.

    Raises: `DataError` for a missing path, an unknown layout, an empty folder, or a faulty table; `UsageError` for a
    layout that the source cannot have.
    """
    if isinstance(source, str) and source.startswith(DEMO_PREFIX):
        layout.refuse_for_images(source, "a demo")
        if layout.label_by is not None:
            raise UsageError(f"--label-by {quote(layout.label_by)}: {source} has its labels", "leave --label-by out")
        return settle_label_sets(load_demo(source.removeprefix(DEMO_PREFIX)), layout)
    if is_remote(source):
        raise UsageError(
            f"{hide_secrets(str(source))}: labelled data is read from a disk, and only single images from elsewhere",
            "mount or copy the shards, or give a table here whose column image holds such addresses",
        )
    path = Path(source).expanduser()
    if not is_pattern(str(source)):
        check_source(path)
    if not is_valid_text(str(path.absolute())):
        raise DataError(f"{path}: its path is not valid UTF-8 text", "rename that folder, and try again")
    top = Folder(path.absolute(), FileKinds()) if path.is_dir() else None
    beside_images = layout.label_by is None  # their names may hold the labels
    shards = find_shards(source, top, layout.image_column, beside_images)
    if shards is not None:
        return _load_shards(shards, path, layout)
    if top is not None:
        layout.refuse_for_images(path, "a folder")
        if layout.label_by is not None:
            return settle_label_sets(load_named_images(top, layout.label_by), layout)
        return settle_label_sets(load_class_folders(top, layout.judges), layout)
    if is_table_name(path):
        read = load_labelled_table(path.absolute(), layout)
        return build_manifest(read.frame, path.absolute().parent, "table", read.notices, read.separator)
    kinds = ", ".join(TABLE_SUFFIXES)
    raise DataError(f"{path} is neither a folder nor a table ({kinds}) nor a shard ({TAR_SUFFIX})", LAYOUT_HINT)


def _load_shards(shards: ShardSet, path: Path, layout: Layout) -> Manifest:
    from sightx_cli.data.packed.labelled_shards import load_labelled_shards

    manifest = load_labelled_shards(shards, path, layout)
    return manifest if manifest.separator else settle_label_sets(manifest, layout)

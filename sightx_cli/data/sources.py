"""Reads the layout of the user's labelled data: class folders, train/ and valid/ folders, a table, names, a demo."""

from __future__ import annotations

from pathlib import Path

from sightx_cli.data.class_folders import load_class_folders
from sightx_cli.data.demo import DEMO_PREFIX, load_demo
from sightx_cli.data.folders import is_valid_text
from sightx_cli.data.label_sets import settle_label_sets
from sightx_cli.data.labelled_table import load_labelled_table
from sightx_cli.data.layout import FOUND_OUT, LAYOUT_HINT, Layout, check_source
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.name_labels import load_named_images
from sightx_cli.data.tables import TABLE_SUFFIXES, is_table_name
from sightx_cli.errors import DataError, UsageError, quote


def load_manifest(source: str | Path, layout: Layout = FOUND_OUT) -> Manifest:
    """Read the layout of a source: a folder, a table (CSV, TSV, Excel, Parquet) or `demo:solar`. No image is opened.

    `layout` holds what the user says of it; the rest is found out.

    Raises: `DataError` for a missing path, an unknown layout, an empty folder, or a faulty table; `UsageError` for a
    layout that the source cannot have.
    """
    if isinstance(source, str) and source.startswith(DEMO_PREFIX):
        layout.refuse_for_images(source, "a demo")
        if layout.label_by is not None:
            raise UsageError(f"--label-by {quote(layout.label_by)}: {source} has its labels", "leave --label-by out")
        return settle_label_sets(load_demo(source.removeprefix(DEMO_PREFIX)), layout.multi_label)
    path = Path(source).expanduser()
    check_source(path)
    if not is_valid_text(str(path.absolute())):
        raise DataError(f"{path}: its path is not valid UTF-8 text", "rename that folder, and try again")
    if path.is_dir():
        layout.refuse_for_images(path, "a folder")
        if layout.label_by is not None:
            return settle_label_sets(load_named_images(path.absolute(), layout.label_by), layout.multi_label)
        return settle_label_sets(load_class_folders(path.absolute(), layout.judges), layout.multi_label)
    if is_table_name(path):
        read = load_labelled_table(path.absolute(), layout)
        return build_manifest(read.frame, path.absolute().parent, "table", read.notices, read.separator)
    raise DataError(f"{path} is neither a folder nor a table ({', '.join(TABLE_SUFFIXES)})", LAYOUT_HINT)

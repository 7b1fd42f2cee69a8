"""Reads the layout of the user's data: class folders, train/ and valid/ folders, a table, a demo, or loose images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightx_cli.data.class_folders import LAYOUT_HINT, load_class_folders
from sightx_cli.data.demo import DEMO_PREFIX, load_demo
from sightx_cli.data.folders import Listing, is_valid_text, list_images, mark_visited
from sightx_cli.data.label_sets import settle_label_sets
from sightx_cli.data.labelled_table import load_labelled_table
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.tables import TABLE_SUFFIXES, is_table_name, locate_image, read_table
from sightx_cli.errors import DataError, quote


def load_manifest(source: str | Path, multi_label: bool | None = None) -> Manifest:
    """Read the layout of a source: a folder, a table (CSV, TSV, Parquet) or `demo:solar`. No image is opened.

    `multi_label` says whether an image may have several labels; None lets the labels tell.

    Raises: `DataError` for a missing path, an unknown layout, an empty folder, or a faulty table.
    """
    if isinstance(source, str) and source.startswith(DEMO_PREFIX):
        return settle_label_sets(load_demo(source.removeprefix(DEMO_PREFIX)), multi_label)
    path = Path(source).expanduser()
    _check_exists(path)
    if not is_valid_text(str(path.absolute())):
        raise DataError(f"{path}: its path is not valid UTF-8 text", "rename that folder, and try again")
    if path.is_dir():
        return settle_label_sets(load_class_folders(path.absolute()), multi_label)
    if is_table_name(path):
        table, notices, separator = load_labelled_table(path.absolute(), multi_label)
        return build_manifest(table, path.absolute().parent, "table", notices, separator)
    raise DataError(f"{path} is neither a folder nor a table ({', '.join(TABLE_SUFFIXES)})", LAYOUT_HINT)


def list_unlabelled(sources: Sequence[str | Path]) -> list[tuple[str, str]]:
    """List the images to predict: folders (recursively), files, tables with a column image; each file once.

    Returns pairs (image, path): the image as given (the source as typed with the folders below it, or a table's
    value), and its absolute path. pandas is imported only for a table, so that predicting one image is quick.

    Raises: `DataError` for a missing path or a source without images.
    """
    found: dict[str, str] = {}
    for source in sources:
        given = Path(source).expanduser()
        _check_exists(given)
        if given.is_dir():
            listing = Listing()
            mark_visited(given, listing)
            images = [(str(image), str(image.absolute())) for image in list_images(given, listing)]
            if not images:
                said = "; ".join(notice.text for notice in listing.list_notices())
                raise DataError(f"{given} contains no images", said or "give a folder of images")
        elif is_table_name(given):
            table = read_table(given, ["image"])
            root = given.absolute().parent
            images = [(image, locate_image(image, root)) for image in table["image"]]
        else:
            images = [(str(given), str(given.absolute()))]
        for image, path in images:
            found.setdefault(path, image)
    if not found:
        raise DataError("no images were given", "type sightx predict FOLDER")
    return [(image, path) for path, image in found.items()]


def _check_exists(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        parent = path.absolute().parent
        hint = f"see what is there: ls {quote(parent)}" if parent.is_dir() else LAYOUT_HINT
        raise DataError(f"{path} {reason}", hint) from error

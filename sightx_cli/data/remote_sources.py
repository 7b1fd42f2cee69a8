"""Sources that are named by a URI: one image, or a folder with few enough to list. A table there is Parquet."""

from __future__ import annotations

from typing import Any

from sightx_cli.data.file_kinds import has_image_ending
from sightx_cli.data.readers.remote_file import describe_refused, find_filesystem, hide_secrets, split_scheme
from sightx_cli.errors import DataError, UsageError
from sightx_cli.progress import Notice

MOST_LISTED = 100_000
"""Files that a listing may hold: a store gives a thousand with each answer, so that a million take minutes."""


def list_remote_images(uri: str) -> tuple[list[str], tuple[Notice, ...]]:
    """List the images that a URI names: itself, or those of the folder and below, in the order of their names.

    Raises `DataError` where nothing is there or may be read, `UsageError` for a folder too large to list.
    """
    shown = hide_secrets(uri)
    if has_image_ending(uri.partition("?")[0]):
        return [uri], ()
    try:
        system, path = find_filesystem(uri)
        found = _list_files(system, path.rstrip("/"), shown)
    except (DataError, UsageError):
        raise
    except Exception as error:  # what the libraries raise depends on the scheme, and their words may hold a secret
        raise DataError(f"{shown} {describe_refused(error)}", "see the address, and who may read it") from None
    images = sorted(one for one in found if has_image_ending(one))
    if not images:
        raise DataError(f"{shown} contains no images", "name a folder of images, or a table of Parquet that names them")
    left = len(found) - len(images)
    text = f"passed over {left:,} files of {shown} whose names are none of images"
    start = _find_start(uri, path)
    return [f"{start}{one}" for one in images], (Notice("passed-over", text, left),) if left else ()


def _list_files(system: Any, path: str, shown: str) -> list[str]:
    from pyarrow import fs

    if system.get_file_info(path).type == fs.FileType.File:
        return [path]
    found = []
    waiting = [path]
    while waiting:
        for one in system.get_file_info(fs.FileSelector(waiting.pop())):
            if one.type == fs.FileType.Directory:
                waiting.append(one.path)
            elif not one.base_name.startswith("."):
                found.append(one.path)
        if len(found) > MOST_LISTED:
            raise UsageError(
                f"{shown} holds more than {MOST_LISTED:,} files: listing them takes longer than reading many",
                "name them in a table: Parquet with a column image",
            )
    return found


def _find_start(uri: str, path: str) -> str:
    """Return what stands before the paths of a file system in a URI."""
    scheme, rest = split_scheme(uri)
    place = rest.partition("?")[0].rstrip("/")
    return f"{scheme}://{place.removesuffix(path.rstrip('/'))}" if place.endswith(path.rstrip("/")) else f"{scheme}://"

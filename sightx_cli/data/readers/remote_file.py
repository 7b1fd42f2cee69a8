"""Files that are named by a URI: `s3://`, `gs://`, `file://` and whatever else pyarrow or fsspec know.

Credentials come from where those libraries look for them (the environment, the machine's role). None is written or
logged: what a library says of a failure may hold one, so that its own words are never shown.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sightx_cli.data.readers.base import ImageFileError, check_file

SEPARATOR = "://"
BUCKETS = ("s3", "gs", "gcs")
"""Where a name is a bucket and any text behind it."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SECRETS = re.compile(r"(?<=://)[^/@\s]*@|(?<=\w)\?\S*")
"""A user with a password, and what a signed address ends with."""
REASONS = {
    errno.ENOENT: "does not exist",
    errno.EACCES: "cannot be read: permission denied",
    errno.EPERM: "cannot be read: permission denied",
}
_DENIED = ("access denied", "access_denied", "forbidden", "permission", "unauthorized", "credential", "status 403")
_MISSING = ("not found", "nosuchkey", "no such", "does not exist", "status 404")
_UNREACHED = ("resolve", "connect", "timeout", "timed out", "network")
"""What the libraries say, in lower case, of a file without rights, of one that is not there, of a host that is not."""


def is_remote(path: str | Path) -> bool:
    """Tell whether a name is a URI, and no path: `s3://bucket/a.png`."""
    return isinstance(path, str) and SEPARATOR in path and _SCHEME.match(path) is not None


def hide_secrets(uri: str) -> str:
    """Return a URI as it may be shown and written: without a password, and without the signature of its address."""
    return _SECRETS.sub("", uri)


def read_remote(uri: str) -> bytes:
    """Return the bytes of what a URI names; raises `ImageFileError` where it cannot be read, in words of our own."""
    shown = hide_secrets(uri)
    try:
        scheme, rest = split_scheme(uri)
        if scheme == "file":
            check_file(unquote(rest))
            return Path(unquote(rest)).read_bytes()
        system, path = find_filesystem(uri)
        with system.open_input_file(path) as file:
            data = bytes(file.read())
    except ImageFileError:
        raise
    except Exception as error:  # what the libraries raise depends on the scheme, and their words may hold a secret
        raise ImageFileError(shown, describe_refused(error)) from None
    if not data:
        raise ImageFileError(shown, "is empty (0 bytes)", "copy it again from its source")
    return data


def describe_refused(error: Exception) -> str:
    """Say in our own words why a file was not read."""
    number, said = getattr(error, "errno", None), str(error).lower()
    if number in REASONS:
        return REASONS[number]
    if any(words in said for words in _DENIED) or isinstance(error, PermissionError):
        return "cannot be read: permission denied"
    if any(words in said for words in _MISSING) or isinstance(error, FileNotFoundError):
        return "does not exist"
    if any(words in said for words in _UNREACHED):
        return "cannot be read: the host does not answer"
    return f"cannot be read ({os.strerror(number) if number else type(error).__name__})"


def split_scheme(uri: str) -> tuple[str, str]:
    """Return the scheme of a URI in lower case, and what follows `://`."""
    scheme, _, rest = uri.partition(SEPARATOR)
    return scheme.lower(), rest


def find_filesystem(uri: str) -> tuple[Any, str]:
    """Return the `pyarrow.fs.FileSystem` of a URI, and the path within it.

    Raises: `ImageFileError` where no library here knows the scheme; whatever the libraries raise for a bad address.
    """
    from pyarrow import fs

    scheme, rest = split_scheme(uri)
    if scheme == "file":
        return fs.LocalFileSystem(), unquote(rest)
    place, _, asked = rest.partition("?") if scheme in BUCKETS else (rest, "", "")
    host, _, path = place.partition("/")
    system = _load_filesystem(scheme, host, asked)
    if system is None:
        return _load_fsspec(scheme), uri
    if scheme in BUCKETS:  # the name of an object may hold what no URI may, such as a blank
        return system, f"{host.rpartition('@')[2]}/{path}"
    return system, str(fs.FileSystem.from_uri(uri)[1])


@functools.lru_cache(maxsize=64)
def _load_filesystem(scheme: str, host: str, asked: str) -> Any:
    """Load pyarrow's file system of a scheme and host, once: a connection costs more than an image. None: not its."""
    from pyarrow import fs

    try:
        return fs.FileSystem.from_uri(f"{scheme}{SEPARATOR}{host}/{'?' * bool(asked)}{asked}")[0]
    except (ValueError, NotImplementedError):
        return None


@functools.lru_cache(maxsize=8)
def _load_fsspec(scheme: str) -> Any:
    from pyarrow import fs

    try:
        import fsspec

        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme)))
    except (ImportError, ValueError):
        raise ImageFileError(
            f"{scheme}{SEPARATOR}",
            f"addresses of this kind ({scheme}) are not known here",
            "install fsspec and its package for them, such as gcsfs or adlfs",
        ) from None

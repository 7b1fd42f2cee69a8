"""Cache addresses: a digest of everything that the features were computed from, package versions included."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence

from sightx_cli.features.shards import FORMAT_VERSION
from sightx_cli.version import VERSION


@functools.cache
def read_version(package: str) -> str:
    """Return a package's installed version without importing it; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def digest_key(parts: Mapping[str, object], packages: Sequence[str] = ()) -> str:
    """Return a short hexadecimal digest of a JSON-able description and of the versions of the packages that use it.

    SightX's own version is always included, so an address never finds what another version computed.
    """
    versions = {"sightx": VERSION, **{package: read_version(package) for package in packages}}
    text = json.dumps({"format": FORMAT_VERSION, "versions": versions, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]

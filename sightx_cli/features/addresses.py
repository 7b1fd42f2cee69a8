"""Addresses of what is kept: a digest of all that it was computed from, the versions of what computed it among them."""

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
    """Return a short hexadecimal address: of a JSON-able description, and of the versions of what computes from it.

    Our own version is always among them, so that an address never finds what another version computed.
    """
    versions = {"sightx": VERSION, **{package: read_version(package) for package in packages}}
    text = json.dumps({"format": FORMAT_VERSION, "versions": versions, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]

"""The version of this package; part of the address of whatever is kept on disk."""

from __future__ import annotations

VERSION = "0.1.0"

"""NNCF, imported without the telemetry that comes with it, and without its words on the terminal.

It makes itself known to its makers' servers when it is imported and when it works; nothing of SightX opens a
connection. Where the caller's own process has imported it before, it is left as it is.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

from sightx_cli.startup.openvino_parts import TELEMETRY, openvino  # noqa: F401 (first, without its own telemetry)

CHATTER = ("nncf", "torch.utils.cpp_extension")
"""Loggers that tell of graphics cards and of progress: neither is anything to act on."""


@contextlib.contextmanager
def keeping_quiet() -> Iterator[None]:
    """Keep NNCF from drawing its progress and telling of its work meanwhile; what it raises is raised."""
    loggers = [logging.getLogger(name) for name in CHATTER]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def import_nncf() -> Any:
    """Import NNCF while its telemetry cannot be imported, which it takes for not installed."""
    hidden = TELEMETRY not in sys.modules and "nncf" not in sys.modules
    if hidden:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # Python's way to say "cannot be imported"
    try:
        with keeping_quiet():
            import nncf
    finally:
        if hidden and sys.modules.get(TELEMETRY) is None:
            sys.modules.pop(TELEMETRY, None)
    return nncf

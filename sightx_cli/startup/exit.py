"""The end of the process, without tearing torch, OpenVINO and their memory down, which takes a second or two."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

from sightx_cli.startup.switch import may_touch

DEFECT = 1
"""The exit status where no number was given."""


def leave(status: str | int | None) -> NoReturn:
    """End the process at once, where that is allowed, else by `sys.exit`.

    Nothing is lost by it: every file is closed and every thread joined when a command returns.
    """
    if not may_touch("python"):
        sys.exit(status)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # the reader of our output has gone
        os._exit(DEFECT)
    os._exit(status if isinstance(status, int) else DEFECT if status else 0)

"""The end of the process, without tearing torch, OpenVINO and their memory down, which takes a second or two."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

from sightx_cli.startup.streams import READER_GONE, has_reader_gone
from sightx_cli.startup.switch import may_touch

DEFECT = 1
"""The exit status where no number was given."""
FULL = 2
"""The exit status where stdout is a file on a full disk."""


def leave(status: str | int | None) -> NoReturn:
    """End the process at once, where that is allowed, else by `sys.exit`.

    Nothing is lost by it: every file is closed and every thread joined when a command returns.
    """
    if not may_touch("python"):
        sys.exit(status)
    atexit._run_exitfuncs()
    code = status if isinstance(status, int) else DEFECT if status else 0
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        print(f"error: the output cannot be written ({error.strerror})", file=sys.stderr, flush=True)
        os._exit(code or FULL)
    os._exit(code or (READER_GONE if has_reader_gone() else 0))

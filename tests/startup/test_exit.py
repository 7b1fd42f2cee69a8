"""The process ends with its status, its exit functions run and its words said, at once or in Python's own way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sightx_cli.startup.exit import leave

SETTLE = "from sightx_cli.startup.process import settle_process; settle_process()\n"
LEAVE = """
import atexit
from sightx_cli.startup.exit import leave
atexit.register(print, "exit function")
class Held:
    def __del__(self): print("taken apart", flush=True)
held = Held()
print("words")
leave({status!r})
"""


@pytest.mark.parametrize(("status", "code"), [(0, 0), (None, 0), (2, 2), ("words", 1)])
@pytest.mark.parametrize("before", ["", SETTLE], ids=["not settled", "settled"])
def test_the_status_is_the_commands(status: object, code: int, before: str) -> None:
    done = subprocess.run([sys.executable, "-c", before + LEAVE.format(status=status)], capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout.startswith("words\nexit function\n")


def test_a_settled_process_takes_nothing_apart() -> None:
    done = subprocess.run([sys.executable, "-c", SETTLE + LEAVE.format(status=0)], capture_output=True, text=True)
    assert "taken apart" not in done.stdout


def test_a_process_that_nobody_settled_is_not_ended_but_left() -> None:
    with pytest.raises(SystemExit) as left:
        leave(3)
    assert left.value.code == 3

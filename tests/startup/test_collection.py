"""Python's search for cycles is held back while libraries are imported, in the command's own process alone."""

from __future__ import annotations

import subprocess
import sys

SETTLE = """
import gc
from sightx_cli.startup.collection import delay_collection, resume_collection
own, held = gc.get_threshold(), gc.get_freeze_count()  # some of Python 3.12 begin with a few hundred held
"""


def run(code: str) -> None:
    """Run code in a process of its own; fails if it does."""
    subprocess.run([sys.executable, "-c", SETTLE + code], check=True, text=True)


def test_a_settled_process_searches_seldom_until_it_trains_and_then_as_before() -> None:
    run(
        """
from sightx_cli.startup.process import settle_process
settle_process()
assert gc.isenabled() and gc.get_threshold()[0] > own[0]
resume_collection()
assert gc.get_threshold() == own and gc.get_freeze_count() > held
"""
    )


def test_what_is_lost_in_a_cycle_after_that_is_found() -> None:
    run(
        """
import weakref
from sightx_cli.startup.process import settle_process
settle_process()
resume_collection()
class Ring: pass
ring = Ring(); ring.ring = ring
found = weakref.ref(ring)
del ring
gc.collect()
assert found() is None
"""
    )


def test_the_process_of_a_caller_stays_as_it_is() -> None:
    run(
        """
delay_collection()
assert gc.get_threshold() == own
resume_collection()
assert gc.get_threshold() == own and gc.get_freeze_count() == held
"""
    )


def test_a_caller_who_searches_never_or_seldom_is_left_alone() -> None:
    run(
        """
gc.set_threshold(0)
from sightx_cli.startup.process import settle_process
settle_process()
assert gc.get_threshold()[0] == 0
"""
    )

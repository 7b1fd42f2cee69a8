"""Python's search for reference cycles, held back while libraries are imported.

Importing torch, timm, scikit-learn and fastai makes a million objects that stay, and nothing to collect. Python
searches all of them again each time a quarter has been added: 1.4 of 5.5 s of imports, measured on an AMD Zen 5.
"""

from __future__ import annotations

import gc

from sightx_cli.startup.switch import is_settled

IMPORTING_OBJECTS, IMPORTING_SEARCHES = 50_000, 50
"""How many new objects lead to a search of the youngest while libraries are imported, and how many of those to one of
the next older; Python's own numbers are 700 or 2,000, and 10. Cycles are still found, only later."""

_before: tuple[int, int, int] | None = None


def delay_collection() -> None:
    """Search for reference cycles less often from here on, in a process that has been settled for SightX alone."""
    global _before
    if _before is None and is_settled() and 0 < gc.get_threshold()[0] < IMPORTING_OBJECTS:
        _before = gc.get_threshold()
        gc.set_threshold(IMPORTING_OBJECTS, IMPORTING_SEARCHES, _before[2])


def resume_collection() -> None:
    """Search as often as Python does by itself, where that was changed, and no more in what has been imported by now.

    Before training: what it leaves behind in cycles holds much memory.
    """
    global _before
    if _before is not None:
        gc.freeze()
        gc.set_threshold(*_before)
        _before = None

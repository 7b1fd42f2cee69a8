"""What is around Ray while it works here: the environment, signals, and what it writes to the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import sightx_cli


@contextlib.contextmanager
def setting_variables(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs; those that are set already win, and Ray's own go again."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in variables.items() if name not in before})
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("RAY_") and name not in before]:
            del os.environ[name]


@contextlib.contextmanager
def showing_package() -> Iterator[None]:
    """Have processes that are started in the block find this very package, wherever it is imported from here."""
    before = os.environ.get("PYTHONPATH")
    home = str(Path(sightx_cli.__file__).parents[1])
    os.environ["PYTHONPATH"] = home if not before else f"{home}{os.pathsep}{before}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def keeping_handlers() -> Iterator[None]:
    """Put back what Ray makes of SIGTERM, which ends a work well here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def hushing_stderr(log: Path) -> Iterator[None]:
    """Send what is written to stderr to a file while the block runs: Ray's core writes there whatever it is told."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def hushing_data() -> Iterator[None]:
    """Keep the words of Ray's data library in its log file while the block runs."""
    logger = logging.getLogger("ray.data")
    shown = [one for one in logger.handlers if type(one).__name__ != "SessionFileHandler"]
    for one in shown:
        logger.removeHandler(one)
    try:
        yield
    finally:
        for one in shown:
            logger.addHandler(one)

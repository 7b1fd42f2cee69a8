"""The errors a user can meet: each says what was found, what is allowed and what to type next.

Every error that a user can cause is a `SightXError`; `app.py` holds the one place that turns it into a line on
stderr and an exit status. Any other exception that escapes is a bug in SightX (exit status 1).
"""

from __future__ import annotations

import shlex
from pathlib import Path


def quote(word: object) -> str:
    """Return a word for a command to type: one word to the shell, whatever a folder or an expression is called.

    A path that starts like an option is given as ./-name.
    """
    text = str(word)
    return shlex.quote(f"./{text}" if isinstance(word, Path) and text.startswith("-") else text)


FAULTS_SHOWN = 3
"""The most faults that are printed: with the message, how many more there are and the hint an error has six lines."""


class SightXError(Exception):
    """An error caused by the user's input or environment: one clear line, one hint, exit status 2."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataError(SightXError):
    """The given images, folders or tables cannot be used."""


class RecipeError(SightXError):
    """A recipe or an override is invalid; `faults` lists every fault, one line each."""

    def __init__(self, message: str, hint: str = "", faults: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.faults = faults


class WeightsError(SightXError):
    """No pretrained weights are available, or the given ones do not fit the network."""


class ModelError(SightXError):
    """The network lacks what was asked for: a stage, a group, a tap."""


class RunError(SightXError):
    """A run folder or an output cannot be read or written."""


class TrainingError(SightXError):
    """Training cannot continue, for example because the loss is no longer finite."""


class MemoryShortage(SightXError):  # noqa: N818 (named for what it tells, as the others are)
    """Memory ran out: the machine's, its container's or the GPU's (see `machine.find_memory_shortage`)."""


class ProcessLost(SightXError):  # noqa: N818 (named for what it tells)
    """Another process of the same fit has ended, and so all do."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: none of the statuses of a command, so that what ended first can be told from it."""

    def __init__(self) -> None:
        super().__init__("another process of this fit has ended, so all have")


class UsageError(SightXError):
    """The options given contradict each other or need something that is missing."""

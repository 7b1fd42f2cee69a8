"""What can go wrong, each with the value found, what is allowed and what to type next.

Every error that a user can cause is a `SightXError`; `app.py` holds the one place that turns it into a line on
stderr and an exit status. Anything else that escapes is a defect of ours (exit status 1).
"""

from __future__ import annotations


class SightXError(Exception):
    """An error whose cause lies outside the program: one clear line, one hint, exit status 2."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataError(SightXError):
    """The images, folders or tables given cannot be used."""


class RecipeError(SightXError):
    """A recipe or an override of one is wrong; `faults` lists every fault, one line each."""

    def __init__(self, message: str, hint: str = "", faults: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.faults = faults


class WeightsError(SightXError):
    """No pretrained weights can be had, or those given do not fit the network."""


class ModelError(SightXError):
    """The network does not have what was asked of it: a stage, a group, a tap."""


class RunError(SightXError):
    """A run folder or an output cannot be read or written."""


class TrainingError(SightXError):
    """Training cannot go on, as when the loss is no longer finite."""


class UsageError(SightXError):
    """The options given contradict each other or need something that is missing."""

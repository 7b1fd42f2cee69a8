"""One option of a command, said once: the command line, the Python signature and the plan are made from it.

Each field of a dataclass of options bears an `Option` in its annotation; `list_options` reads them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from sightx_cli.errors import UsageError

WORDS = {str: "is text", Path: "is a path", bool: "are True and False"}
"""What a type allows, for the message when Python code passes something else."""


@dataclass(frozen=True)
class Option:
    """Everything about an option besides its name, type and default, which its field gives."""

    help: str
    metavar: str | None = None
    panel: str = ""
    """The panel of the help that it is listed in; none for an argument."""
    flag: str = ""
    """As typed; the field's name by default. Where the field's default is True, the flag turns it off; where it is None
    for a field of `bool | None`, there are two: "--ordered/--no-ordered"."""
    commands: tuple[str, ...] = ("fit", "lr-find", "probe")
    repeated: bool = False
    """Whether it defines what is trained on what, and so is repeated in a command to type next."""
    plan_key: str = ""
    """Its key in the plan."""
    recipe_key: str = ""
    """The recipe's value that it replaces, as `--set` would; the plan lists it there."""
    left_open: str = ""
    """The value that replaces nothing of the recipe: it is measured later what to take."""
    offers: str = ""
    """What the shell completes it with: "recipes" or "profiles"."""
    may_change: bool = False
    """Whether an unfinished run may go on with another value: it does not define what is trained on what."""
    minimum: int | None = None
    """The least number that the command line takes."""
    read: Callable[[str, Any], Any] | None = None
    """Gives the value that was typed, or given from Python, in the form to keep; by default the type decides."""


@dataclass(frozen=True)
class OptionField:
    """An option with its name, type and default."""

    name: str
    type: Any
    default: Any
    about: Option

    @property
    def is_argument(self) -> bool:
        """Whether it is typed without a name."""
        return not self.about.panel

    @property
    def flag(self) -> str:
        """The option as typed, such as --group-by; an argument by its placeholder, such as DATA."""
        if self.is_argument:
            return str(self.about.metavar)
        return self.about.flag or f"--{self.name.replace('_', '-')}"

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types that its value may have, beside None."""
        parts = (self.type,) if get_origin(self.type) in (None, Literal, Sequence) else get_args(self.type)
        return tuple(kind for kind in parts if kind is not NoneType)

    @property
    def is_list(self) -> bool:
        """Whether it may be given again and again."""
        return len(self.kinds) == 1 and get_origin(self.kinds[0]) is not None and not self.choices

    @property
    def is_three_valued(self) -> bool:
        """Whether it is yes, no, or left to what is found: its flag is two, the second for no."""
        return self.kinds == (bool,) and self.default is None

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values allowed; empty where there is no such list."""
        return get_args(self.kinds[0]) if get_origin(self.kinds[0]) is Literal else ()

    def read(self, value: Any) -> Any:
        """Give a value in the form to keep. Raises UsageError with the value found and what is allowed."""
        if value is None and self.default is None:
            return None
        if self.about.read is not None:
            return self.about.read(self.flag, value)
        if self.choices:
            return value if value in self.choices else self._refuse(value, f"are {', '.join(self.choices)}")
        kind = self.kinds[0]
        if kind is bool:
            return value if isinstance(value, bool) else self._refuse(value, WORDS[bool])
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
        return kind(text) if isinstance(text, str) else self._refuse(value, WORDS[kind])

    def write(self, value: Any) -> list[str]:
        """Give the words that say a value on the command line."""
        if isinstance(value, bool):
            return [self.flag.split("/")[not value] if self.is_three_valued else self.flag]
        if self.is_list:
            return [word for item in value for word in (self.flag, item)]
        return [self.flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]

    def _refuse(self, value: Any, allowed: str) -> NoReturn:
        raise UsageError(f"{self.flag} is '{value}': allowed {allowed}", "sightx COMMAND --help says what each means")


@functools.cache
def list_options(holder: type, command: str = "") -> tuple[OptionField, ...]:
    """List the options that the fields of a dataclass say, those of one command where it is named."""
    hints, whole = get_type_hints(holder), get_type_hints(holder, include_extras=True)
    classes = [vars(one).get("__annotations__", {}) for one in holder.__mro__]
    listed = []
    # those of bases last
    for one in sorted(fields(holder), key=lambda one: next(at for at, own in enumerate(classes) if one.name in own)):
        about = next((said for said in get_args(whole[one.name]) if isinstance(said, Option)), None)
        if about is not None and (not command or command in about.commands):
            listed.append(OptionField(one.name, hints[one.name], one.default, about))
    return tuple(listed)


def find_option(holder: type, name: str) -> OptionField:
    """Find an option by the name of its field."""
    return next(one for one in list_options(holder) if one.name == name)

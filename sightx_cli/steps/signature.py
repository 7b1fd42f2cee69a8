"""The Python signature of a command, made from its options."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from sightx_cli.progress import Listener, Silent
from sightx_cli.recipe.names import suggest_nearest
from sightx_cli.steps.option import OptionField, list_options
from sightx_cli.steps.options import Options

Result = TypeVar("Result")


def take_options(command: str) -> Callable[[Callable[[Options, Listener], Result]], Callable[..., Result]]:
    """Give a function of `(options, listener)` the options of a command as its keywords, by name, type and default.

    Its docstring goes on with what each means. An unknown keyword raises TypeError with the nearest option.
    """
    options = list_options(Options, command)

    def wrap(function: Callable[[Options, Listener], Result]) -> Callable[..., Result]:
        signature = build_signature(function, command)

        @functools.wraps(function)
        def call(*place: Any, **named: Any) -> Result:
            for name in named:
                if name not in signature.parameters:
                    nearest = suggest_nearest(name, signature.parameters)
                    raise TypeError(f'{function.__name__}() has no option "{name}"{nearest}')
            given = signature.bind(*place, **named).arguments
            listener = given.pop("listener", None) or Silent()
            return function(Options(**given), listener)

        said = [f"    {one.name}: {'with False: ' * (one.default is True)}{read_help(one)}" for one in options]
        call.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Options:", *said])
        call.__signature__ = signature  # type: ignore[attr-defined]  # what help() and editors read
        call.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
        call.__annotations__["return"] = signature.return_annotation
        return call

    return wrap


def build_signature(function: Callable[..., Any], command: str) -> inspect.Signature:
    """Build the signature: the argument by place or name, every option by name, and the listener."""
    parameters = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD if one.is_argument else inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=one.type,
        )
        for one in list_options(Options, command)
    ]
    listener = inspect.Parameter("listener", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Listener | None)
    return inspect.Signature([*parameters, listener], return_annotation=get_type_hints(function)["return"])


def read_help(one: OptionField) -> str:
    """Return what an option means, without what only the terminal understands, such as [dim] and [/]."""
    return re.sub(r"\[/?\w*\]", "", one.about.help)

"""Gives Typer a dataclass of options as single options.

A command takes the dataclass as one parameter:

    @flatten_options
    def fit(options: Options, talk: Talk) -> None: ...

Its fields carry Typer's annotations, or it is `Options`, of which the command's own are taken by its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from sightx_cli.commands.completions import COMPLETIONS
from sightx_cli.steps.option import OptionField, find_option, list_options
from sightx_cli.steps.options import Options


def flatten_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give Typer a command whose dataclass parameters are spread out into one option for each field."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if is_dataclass(kind) and isinstance(kind, type)}
    spread: dict[str, list[inspect.Parameter]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        plain = [parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)]
        spread[name] = list_parameters(groups[name], command.__name__) if name in groups else plain
    flat = [parameter for parameters in spread.values() for parameter in parameters]

    def run(**given: Any) -> None:
        for name, group in groups.items():
            typed = {parameter.name: given.pop(parameter.name) for parameter in spread[name]}
            given[name] = group(**settle_flags(typed) if group is Options else typed)
        command(**given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]  # what Typer reads
    return run


def list_parameters(group: type, function: str) -> list[inspect.Parameter]:
    """List Typer's parameters for a dataclass: of `Options`, those of the command of this name."""
    if group is Options:
        return [build_parameter(one) for one in list_options(Options, function.replace("_", "-"))]
    types = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is MISSING else one.default,
            annotation=types[one.name],
        )
        for one in fields(group)
    ]


def build_parameter(one: OptionField) -> inspect.Parameter:
    """Build Typer's parameter of an option: text where Typer knows no such type, and off where a flag turns off."""
    kind, default = list[str] if one.is_list else one.kinds[0] if len(one.kinds) == 1 else str, one.default
    if one.is_list or default is None:
        kind, default = kind | None, None
    if kind is bool:
        default = False
    annotation = Annotated[kind, build_typer_option(one)]  # type: ignore[valid-type]  # made when this runs
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def build_typer_option(one: OptionField) -> Any:
    """Build Typer's description of an option."""
    about = one.about
    if one.is_argument:
        return typer.Argument(metavar=about.metavar, help=about.help, show_default=False)
    return typer.Option(
        one.flag,
        metavar=about.metavar,
        help=about.help,
        autocompletion=COMPLETIONS.get(about.offers),
        rich_help_panel=about.panel,
        min=about.minimum,
        show_default=not one.is_three_valued,  # left to what is found, where Typer would say that it is off
    )


def share_option(name: str) -> Any:
    """Build Typer's description of an option of `fit`, for another command that takes it too."""
    return build_typer_option(find_option(Options, name))


def settle_flags(typed: dict[str, Any]) -> dict[str, Any]:
    """Give the values for `Options`: what was not typed is left out, and a flag that turns off is inverted."""
    return {
        name: not value if find_option(Options, name).default is True else value
        for name, value in typed.items()
        if value is not None
    }

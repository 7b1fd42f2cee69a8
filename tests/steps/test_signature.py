"""The Python functions take what the command line takes, under the same names, with the same defaults."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli import find_lr, fit
from sightx_cli.api.probe import probe
from sightx_cli.errors import UsageError
from sightx_cli.steps.option import OptionField, list_options
from sightx_cli.steps.options import Options

FUNCTIONS = {"fit": fit, "lr-find": find_lr, "probe": probe}


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in list_options(Options)])
@pytest.mark.parametrize("command", FUNCTIONS)
def test_an_option_is_a_parameter_of_the_functions_that_take_it_and_of_no_other(command: str, one: OptionField) -> None:
    parameter = inspect.signature(FUNCTIONS[command]).parameters.get(one.name)
    if command not in one.about.commands:
        assert parameter is None
        return
    assert parameter is not None
    assert parameter.annotation == one.type
    assert parameter.default == one.default


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_nothing_else_is_taken_but_the_listener(function: Callable[..., Any]) -> None:
    signature = inspect.signature(function)
    assert set(signature.parameters) - {one.name for one in list_options(Options)} == {"listener"}
    assert next(iter(signature.parameters)) == "source"
    assert signature.return_annotation.__name__.endswith("Result")


def test_help_shows_names_types_defaults_and_what_each_means() -> None:
    text = pydoc.render_doc(fit, renderer=pydoc.plaintext)
    for words in (
        "seed: int = 0",
        "recipe: str = 'auto'",
        "seed: Same seed, same machine",
        "(default: ",
        "cache: with False: Do not cache",
    ):
        assert words in text
    assert "[dim]" not in text


def test_an_unknown_keyword_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(TypeError, match=r'fit\(\) has no option "recpe"; did you mean "recipe"\?'):
        fit("scans", recpe="natural-small")
    with pytest.raises(TypeError, match=r'find_lr\(\) has no option "folds"'):
        find_lr("scans", folds=3)


def test_the_source_must_be_given_and_the_options_by_name() -> None:
    with pytest.raises(UsageError, match="DATA is missing"):
        fit()
    with pytest.raises(TypeError, match="too many positional"):
        fit("scans", "natural-small")


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_a_wrong_value_is_refused_before_anything_is_read(function: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--shift is 'likely': allowed are similar, different"):
        function(tmp_path / "nowhere", shift="likely")

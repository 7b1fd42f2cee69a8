"""Options become the arguments of a workflow."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from sightx_cli import find_lr, fit
from sightx_cli.commands.base import Commands
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.options import TrainingOptions
from sightx_cli.commands.parsers import parse_numbers, parse_rate
from sightx_cli.errors import UsageError


def read(*args: str) -> TrainingOptions:
    """The options that a command line gives."""
    found: list[Any] = []
    app = Commands()

    @app.callback()
    def group() -> None:
        """Hold the command."""

    @app.command("fit")
    @flatten_options
    def fit(data: Annotated[str, typer.Argument()], options: TrainingOptions) -> None:
        """Keep what was given."""
        found.append((data, options))

    done = CliRunner().invoke(app, ["fit", "scans", *args])
    assert done.exit_code == 0, done.output
    assert found[0][0] == "scans"
    return found[0][1]


def test_without_options_all_is_left_to_the_workflow() -> None:
    assert read() == TrainingOptions()


def test_set_may_be_given_again() -> None:
    given = read("--set", "image.size_px=384", "--set", "stage.0.epochs=2").to_arguments()
    assert given["settings"] == ("image.size_px=384", "stage.0.epochs=2")


def test_every_option_reaches_the_workflow_under_its_name() -> None:
    line = "--recipe mine.toml --shift different --profile retina --backbone resnet18 --weights w.pth --rate 1e-3"
    line += " --weights-mean 0.5 --weights-std 0.2,0.3,0.2 --weights-prefix teacher"
    line += " --out r --overwrite --seed 3 --device cpu --group-by patient --engine torch --no-cache --set a=1"
    assert read(*line.split()).to_arguments() == {
        "recipe": "mine.toml",
        "shift": "different",
        "profile": "retina",
        "backbone": "resnet18",
        "weights": Path("w.pth"),
        "weights_mean": (0.5,),
        "weights_std": (0.2, 0.3, 0.2),
        "weights_prefix": "teacher",
        "settings": ("a=1",),
        "rate": 0.001,
        "out": Path("r"),
        "overwrite": True,
        "seed": 3,
        "device": "cpu",
        "group_by": "patient",
        "engine": "torch",
        "cache": False,
    }


def test_the_workflows_take_every_option() -> None:

    given = set(TrainingOptions().to_arguments())
    for function in (fit, find_lr):
        assert given <= set(inspect.signature(function).parameters)


def test_every_option_has_help_and_a_panel() -> None:
    for one in fields(TrainingOptions):
        assert one.name
    parameters = inspect.signature(flatten_options(lambda_command())).parameters.values()
    for parameter in parameters:
        option = parameter.annotation.__metadata__[0]
        assert option.help, parameter.name
        assert option.rich_help_panel, parameter.name


def lambda_command() -> Any:
    def command(options: TrainingOptions) -> None:
        """Do nothing."""

    return command


@pytest.mark.parametrize(("text", "rate"), [("auto", "auto"), ("1e-3", 0.001), ("2", 2.0), (None, None)])
def test_a_rate_is_auto_or_a_number(text: str | None, rate: object) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["0", "-1e-3", "fast", "nan", "inf", ""])
def test_any_other_rate_is_refused_by_its_value(text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}'"):
        parse_rate(text)


def test_the_next_command_repeats_the_recipe() -> None:
    assert TrainingOptions(recipe="my recipe.toml", shift="similar").repeat() == (
        " --recipe 'my recipe.toml' --shift similar"
    )


@pytest.mark.parametrize(
    ("text", "numbers"), [("0.5", (0.5,)), ("0.485,0.456, 0.406", (0.485, 0.456, 0.406)), (None, None)]
)
def test_a_normalisation_is_numbers_with_commas_between_them(text: str | None, numbers: object) -> None:
    assert parse_numbers("--weights-mean", text) == numbers


@pytest.mark.parametrize("text", ["", "0.5;0.5;0.5", "0.5,", "grey"])
def test_any_other_normalisation_is_refused_by_its_value(text: str) -> None:
    with pytest.raises(UsageError, match=f"--weights-std is '{text}'"):
        parse_numbers("--weights-std", text)


def test_the_next_command_repeats_how_to_read_the_weights() -> None:
    asked = TrainingOptions(
        weights=Path("xrv.pth"), weights_mean="0.5", weights_std="0.00048828125", weights_prefix="teacher"
    )
    assert asked.repeat() == (
        " --weights xrv.pth --weights-mean 0.5 --weights-std 0.00048828125 --weights-prefix teacher"
    )
    arguments = asked.to_arguments()
    assert (arguments["weights_mean"], arguments["weights_std"]) == ((0.5,), (0.00048828125,))

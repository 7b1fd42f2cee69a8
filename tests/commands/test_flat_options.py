"""The command line is made from the options: each is written once."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

import sightx_cli
from sightx_cli.app import app
from sightx_cli.commands.base import Commands
from sightx_cli.commands.flat_options import flatten_options, settle_flags
from sightx_cli.commands.talk import PlanTalk, Talk
from sightx_cli.startup import switch
from sightx_cli.steps.option import OptionField, list_options
from sightx_cli.steps.options import Options

PACKAGE = Path(sightx_cli.__file__).parent
COMMANDS = ("fit", "lr-find", "probe")


def read(*args: str) -> Options:
    """The options that a command line of `fit` gives."""
    found: list[Any] = []
    app = Commands()

    @app.callback()
    def group() -> None:
        """Hold the command."""

    @app.command("fit")
    @flatten_options
    def fit(options: Options) -> None:
        """Keep what was given."""
        found.append(options)

    done = CliRunner().invoke(app, ["fit", "scans", *args])
    assert done.exit_code == 0, done.output
    return found[0]


def list_typed(command: str) -> dict[str, Any]:
    """What Typer knows of a command, by the name of the parameter."""
    group: Any = typer.main.get_command(app)
    return {one.name: one for one in group.commands[command].params}


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in list_options(Options)])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_stands_on_the_command_lines_that_take_it_and_on_no_other(command: str, one: OptionField) -> None:
    typed = list_typed(command).get(one.name)
    if command not in one.about.commands:
        assert typed is None
        return
    assert typed is not None
    assert not typed.required
    assert typed.metavar == one.about.metavar or one.kinds[0] is bool
    if not one.is_argument:
        assert [*typed.opts, *typed.secondary_opts] == one.flag.split("/")
        assert (typed.help, typed.rich_help_panel) == (one.about.help, one.about.panel)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_nothing_else_but_how_it_talks(command: str) -> None:
    others = set(list_typed(command)) - {one.name for one in list_options(Options, command)}
    talk = PlanTalk if command == "fit" else Talk  # `fit` alone shows a plan
    assert others == set(inspect.signature(talk).parameters)


def list_files() -> list[Path]:
    names = ("fit.py", "lr_find.py", "probe.py")
    return [PACKAGE / room / name for room in ("commands", "api") for name in names]


@pytest.mark.parametrize("file", list_files(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_option_is_written_by_hand_in_a_command_or_its_function(file: Path) -> None:
    names = {one.name for one in list_options(Options)} | {"no_cache", "no_probe"}
    tree = ast.parse(file.read_text(encoding="utf-8"))
    function = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list
    )  # the command, or what Python calls
    assert {one.arg for one in (*function.args.args, *function.args.kwonlyargs)} <= {"options", "talk", "listener"}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        assert not ast.unparse(call.func).startswith(("typer.Option", "typer.Argument"))
        if ast.unparse(call.func) in {"Options", "api.fit", "api.find_lr", "api.probe"}:
            assert {word.arg for word in call.keywords} & names == set()


def test_without_options_all_is_left_to_the_defaults() -> None:
    assert read() == Options("scans")


def test_set_may_be_given_again() -> None:
    assert read("--set", "image.size_px=384", "--set", "a=2").settings == ("image.size_px=384", "a=2")


def test_every_option_is_read_into_its_field() -> None:
    line = "--recipe mine.toml --shift different --profile retina --backbone resnet18 --weights w.pth --rate 1e-3"
    line += " --weights-mean 0.5 --weights-std 0.2,0.3,0.2 --weights-prefix teacher --no-probe --folds 3"
    line += " --out r --overwrite --seed 3 --device cpu --group-by patient --engine torch --no-cache --set a=1"
    line += " --exclude out.csv --resplit --allow-leaks --resume runs/a --no-ordered --multi-label"
    line += " --image-column file --label-column dx --images imgs --label-by ^[a-z]+ --from runs/b --track mlflow"
    line += " --about about.toml --budget 60 --full --features-on ray --address auto"
    line += " --launch torchrun --processes 2 --nodes 3 --rendezvous first:29500"
    given = read(*line.split()).given()
    assert given == {
        "source": "scans",
        "recipe": "mine.toml",
        "shift": "different",
        "profile": "retina",
        "ordered": False,
        "multi_label": True,
        "settings": ("a=1",),
        "rate": 0.001,
        "group_by": "patient",
        "probe": False,
        "backbone": "resnet18",
        "weights": Path("w.pth"),
        "weights_mean": (0.5,),
        "weights_std": (0.2, 0.3, 0.2),
        "weights_prefix": "teacher",
        "device": "cpu",
        "engine": "torch",
        "cache": False,
        "seed": 3,
        "out": Path("r"),
        "overwrite": True,
        "from_run": Path("runs/b"),
        "track": "mlflow",
        "budget": 60.0,
        "exclude": Path("out.csv"),
        "resplit": True,
        "allow_leaks": True,
        "folds": 3,
        "full": True,
        "resume": Path("runs/a"),
        "image_column": "file",
        "label_column": "dx",
        "images": Path("imgs"),
        "label_by": "^[a-z]+",
        "about": Path("about.toml"),
        "features_on": "ray",
        "address": "auto",
        "launch": "torchrun",
        "processes": 2,
        "nodes": 3,
        "rendezvous": "first:29500",
    }
    assert set(given) == {one.name for one in list_options(Options, "fit")}


def test_a_flag_that_turns_off_is_on_where_it_is_not_typed() -> None:
    assert settle_flags({"cache": False, "resplit": False, "out": None}) == {"cache": True, "resplit": False}
    assert settle_flags({"cache": True, "resplit": True}) == {"cache": False, "resplit": True}


@pytest.mark.parametrize("name", [one.name for one in list_options(Options) if one.is_three_valued])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_program_itself_tells_a_flag_that_was_not_typed_from_no(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "_settled", True)  # as in the program, where flags are made light
    group: Any = typer.main.get_command(app)
    flag = name.replace("_", "-")
    for typed, value in (([], None), ([f"--{flag}"], True), ([f"--no-{flag}"], False)):
        context = group.commands[command].make_context(command, ["scans", *typed])
        assert context.params[name] is value


@pytest.mark.parametrize(("typed", "value"), [((), None), (("--ordered",), True), (("--no-ordered",), False)])
def test_a_flag_of_three_values_says_yes_or_no_and_nothing_where_it_is_not_typed(
    typed: tuple[str, ...], value: bool | None
) -> None:
    assert read(*typed).ordered is value


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--rate", "fast"), "--rate is 'fast': allowed are auto and a number above 0"),
        (("--folds", "1"), "--folds 1: allowed are 0 (none) and 2 or more"),
        (("--seed", "4294967296"), "--seed 4294967296: allowed are whole numbers from 0 to 4294967295"),
        (("--weights-mean", "grey"), "--weights-mean is 'grey'"),
        (("--shift", "likely"), "'likely'"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_2(typed: tuple[str, str], said: str) -> None:
    done = CliRunner().invoke(app, ["fit", "nowhere", *typed])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[0]


def test_a_plain_parameter_stands_beside_the_spread_ones() -> None:
    def fit(folder: Annotated[str, typer.Argument()], options: Options, talk: Talk) -> None:
        """Do nothing."""

    names = list(inspect.signature(flatten_options(fit)).parameters)
    assert (names[0], names[1], names[-1]) == ("folder", "source", "debug")

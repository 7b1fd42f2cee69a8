"""Every command is a file of its name, thin over a file of its name in `api`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sightx_cli

PACKAGE = Path(sightx_cli.__file__).parent
SHARED = {"base", "completions", "device", "flat_options", "talk", "termination"}
"""What lies in `commands` beside the commands."""
FILES = [file for file in sorted((PACKAGE / "commands").glob("*.py")) if file.stem not in {"__init__", *SHARED}]
LONGEST_BODY = 15
IN_PYTHON = {"load_model", "watch"}
"""What is no command of its own: one is for Python alone, the other is `predict --watch`."""


def find_commands(file: Path) -> Iterator[ast.FunctionDef]:
    """The functions of a file that Typer runs."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and any(
            "flatten_options" in ast.unparse(one) for one in node.decorator_list
        ):
            yield node


def test_every_command_has_a_file_of_its_name_in_the_api_and_no_file_is_without_a_command() -> None:
    api = {file.stem for file in (PACKAGE / "api").glob("*.py")} - {"__init__"}
    assert api - IN_PYTHON == {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_command_reads_options_calls_the_api_and_shows_the_result(file: Path) -> None:
    commands = list(find_commands(file))
    assert commands
    for command in commands:
        body = command.body[1:]  # without the docstring
        assert body[-1].end_lineno is not None
        assert body[-1].end_lineno - body[0].lineno < LONGEST_BODY, command.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_command_calls_no_room_but_its_own_api_and_the_console(file: Path) -> None:
    allowed = (
        "commands.",
        "console",
        f"api.{file.stem}",
        f"results.{file.stem}",
        "errors",
        "steps.options",
        "startup.termination",
    )
    allowed += ("steps.image_options",)  # a part of the options
    allowed += ("api.watch",) if file.stem == "predict" else ()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if str(name).startswith("sightx_cli."):
                assert str(name).removeprefix("sightx_cli.").startswith(allowed), name

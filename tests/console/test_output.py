"""Data goes to stdout, talk to stderr, and JSON is JSON."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from sightx_cli.console import print_error, print_json, print_next, print_table, print_text
from sightx_cli.console.output import print_words, to_line


@dataclass(frozen=True)
class Entry:
    name: str
    folder: Path


def read(capsys: pytest.CaptureFixture[str], obj: object) -> object:
    print_json(obj)
    return json.loads(capsys.readouterr().out)


def test_paths_are_absolute(capsys: pytest.CaptureFixture[str]) -> None:
    assert read(capsys, {"run": Path("runs/x")}) == {"run": str(Path.cwd() / "runs/x")}


def test_numpy_scalars_and_arrays_become_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.array([1, 2]), "d": np.bool_(True)}
    assert read(capsys, given) == {"a": 0.5, "b": 3, "c": [1, 2], "d": True}


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan"), np.float32("inf")])
def test_what_is_not_finite_becomes_null(capsys: pytest.CaptureFixture[str], value: float) -> None:
    assert read(capsys, {"loss": value}) == {"loss": None}


def test_dataclasses_times_tuples_and_integer_keys_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"entries": (Entry("a", Path("/x")),), "when": datetime(2026, 1, 2), 3: "three"}
    assert read(capsys, given) == {
        "entries": [{"name": "a", "folder": "/x"}],
        "when": "2026-01-02T00:00:00",
        "3": "three",
    }


def test_a_program_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1, 2], "b": "é"})
    assert capsys.readouterr().out == '{"a": [1, 2], "b": "é"}\n'


def test_a_file_name_that_is_no_text_is_still_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"image": "a\udc80.png"})
    assert capsys.readouterr().out == '{"image": "a\\udc80.png"}\n'


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        print_json({"a": object()})


def test_a_table_goes_to_stdout_whole_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("name", "images"), [("x" * 300, 12), ("[red]b[/]", 3)])
    found = capsys.readouterr()
    assert "x" * 300 in found.out
    assert "[red]b[/]" in found.out
    assert found.err == ""


def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_text('taps = ["all"]  # [red]')
    assert capsys.readouterr().out == 'taps = ["all"]  # [red]\n'


def test_errors_and_next_steps_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("no images", "sightx fit FOLDER", ["a: b"])
    print_next("sightx predict new/", "labels them")
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == [
        "error: no images",
        "  a: b",
        "hint:  sightx fit FOLDER",
        "next  sightx predict new/   labels them",
    ]


def test_a_line_keeps_letters_of_any_script_and_shows_control_characters() -> None:
    assert to_line("größe 图像\x1b[0m\n\udcff") == "größe 图像\\x1b[0m \\udcff"


@pytest.mark.parametrize("width", [60, 120])
def test_a_sentence_breaks_between_words_at_a_terminal_and_stays_one_line_elsewhere(width: int) -> None:
    said = "warning: valid has no image of ants, only of bees: its figures say nothing of it; " * 3
    lines = {}
    for is_terminal in (True, False):
        stream = io.StringIO()
        console = Console(file=stream, width=width if is_terminal else 10_000, force_terminal=is_terminal)
        print_words(console, Text(said.strip()))
        lines[is_terminal] = stream.getvalue().splitlines()
    assert len(lines[False]) == 1
    assert max(map(len, lines[True])) <= width
    assert [word for line in lines[True] for word in line.split()] == said.split()

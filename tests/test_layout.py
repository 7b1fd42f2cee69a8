"""The house can be seen at a glance: small modules with nouns for names, no room that holds everything."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import sightx_cli

PACKAGE = Path(sightx_cli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 300
MOST_OF_A_ROOM = 0.13
BY_COMMAND = {"api", "commands", "console", "report", "results"}
"""Rooms whose files bear the names of commands, or of what they show of them."""

CALLERS = {"api", "commands"}
"""Rooms whose functions may bear the name of what they call."""


def read_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def name_room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_fits_the_eye(path: Path) -> None:
    assert read_lines(path) <= MOST_LINES, "is it two things?"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_is_a_noun(path: Path) -> None:
    assert not path.stem.endswith("ing"), "what noun of the field is it?"


def test_no_room_holds_more_than_an_eighth_of_the_house() -> None:
    rooms: dict[str, int] = defaultdict(int)  # a folder within a room, such as data/readers, is one of its own
    for path in MODULES:
        rooms[path.relative_to(PACKAGE).parent.as_posix()] += read_lines(path)
    largest = max(rooms, key=lambda room: rooms[room])
    assert rooms[largest] <= MOST_OF_A_ROOM * sum(rooms.values()), largest


def test_two_files_of_one_name_mean_the_same_thing() -> None:
    rooms: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        if not path.stem.startswith("__") and name_room(path) not in BY_COMMAND:
            rooms[path.stem].add(name_room(path))
    assert {name: found for name, found in rooms.items() if len(found) > 1} == {}


def test_two_classes_or_functions_of_one_name_mean_the_same_thing() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places[node.name].add(path.relative_to(PACKAGE).as_posix())
    own = {name: {one for one in found if Path(one).parts[0] not in CALLERS} for name, found in places.items()}
    assert {name: found for name, found in own.items() if len(found) > 1} == {}

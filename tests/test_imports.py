"""The house keeps its order: a room imports only rooms below it, and few rooms know torch."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import sightx_cli

PACKAGE = Path(sightx_cli.__file__).parent
ROOMS = (
    "__main__",
    "app",
    "commands",
    "console",
    "api",
    "serve",
    "steps",
    "evaluation",
    "report",
    "train",
    "quality",
    "probe",
    "cluster",
    "bundle",
    "features",
    "model",
    "engine",
    "journal",
    "runs",
    "data",
    "dicom",
    "tables",
    "task",
    "results",
    "recipe",
    "metrics",
    "startup",
    "processes",
    "progress",
    "machine",
    "filesystem",
    "errors",
    "version",
)
"""From top to bottom."""
ALONE = {"metrics": {"progress", "errors"}}
"""Rooms that may import less than all that lies below them."""
HEAVY = {"torch", "torchvision", "fastai", "fastcore", "timm"}
TORCH_ENGINE = "engine.torch_forward", "engine.whole_calls", "engine.captured_calls"
KNOW_TORCH = ("model.", "train.", "features.prefix", "engine.choice", "engine.conversion", *TORCH_ENGINE)
"""Modules that may import torch, fastai or timm when they are loaded."""


class Import(NamedTuple):
    """One import: of which module, whether it runs when the importing module is loaded, and its line."""

    target: str
    at_load: bool
    line: int
    star: bool


def find_imports(source: str, package: str) -> Iterator[Import]:
    """Every import of a module's source but those under TYPE_CHECKING, names of `sightx_cli` spelled out."""

    def walk(node: ast.AST, at_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for other in child.orelse:
                    yield from walk(other, at_load)
            elif isinstance(child, ast.Import):
                yield from (Import(name.name, at_load, child.lineno, False) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) + 1 - child.level] if child.level else []
                origin = ".".join([*above, child.module or ""]).strip(".")
                for name in child.names:
                    whole = f"{origin}.{name.name}"
                    whole = whole if origin == "sightx_cli" or is_module(whole) else origin
                    yield Import(whole, at_load, child.lineno, name.name == "*")
            else:
                function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, at_load and not function)

    yield from walk(ast.parse(source), True)


def is_module(name: str) -> bool:
    path = PACKAGE.parent / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def name_of(path: Path) -> str:
    parts = ("sightx_cli", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def load_imports(module: str) -> list[Import]:
    """The imports of a module of the package; the package's own lazy look-up of its API stands apart."""
    path = HOUSE[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return list(find_imports(path.read_text(encoding="utf-8"), package))


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def find_faults(module: str, imports: list[Import]) -> Iterator[str]:
    """What breaks the order in one module, a line each."""
    room = room_of(module)
    for one in imports:
        where = f"{module}:{one.line} imports {one.target}"
        if one.star:
            yield f"{where} with a star"
        if (
            one.at_load
            and one.target.split(".")[0] in HEAVY
            and not f"{module}.".startswith(tuple(f"sightx_cli.{m}" for m in KNOW_TORCH))
        ):
            yield f"{where}: only {', '.join(KNOW_TORCH)} may"
        target = room_of(one.target) if one.target.startswith("sightx_cli") else ""
        if target in {"", "__version__", room} or not room:
            continue
        if target not in ROOMS or ROOMS.index(target) < ROOMS.index(room):  # fit, predict: the package's own API
            yield f"{where}: upward"
        elif target not in ALONE.get(room, ROOMS):
            yield f"{where}: {room} stands alone"


HOUSE = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
"""Every module, by its name. None is read before its test: each process of the tests loads this one."""


@pytest.mark.parametrize("module", HOUSE)
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    assert list(find_faults(module, load_imports(module))) == []


def test_every_module_lives_in_a_known_room() -> None:
    assert {room_of(module) for module in HOUSE} - {"", *ROOMS} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module in HOUSE:
        found = {one.target for one in load_imports(module) if one.at_load and one.target in HOUSE}
        graph[module] |= found - {module, "sightx_cli"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sightx_cli.data.splits", "from sightx_cli.api.fit import fit"),
        ("sightx_cli.data.splits", "def load():\n    from sightx_cli import api"),
        ("sightx_cli.data.splits", "from ..console import print_json"),
        ("sightx_cli.data.splits", "from sightx_cli import predict"),
        ("sightx_cli.recipe.rates", "from sightx_cli.results import fit"),
        ("sightx_cli.errors", "from sightx_cli.progress import Silent"),
        ("sightx_cli.api.fit", "import torch"),
        ("sightx_cli.engine.openvino_forward", "from torch import nn"),
        ("sightx_cli.train.stage_runs", "from fastai.vision.all import *"),
    ],
)
def test_a_breach_is_found(module: str, source: str) -> None:
    assert list(find_faults(module, list(find_imports(source, module.rpartition(".")[0]))))


def test_imports_for_type_checking_are_free() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sightx_cli.api import fit"
    assert not list(find_faults("sightx_cli.data.splits", list(find_imports(source, "sightx_cli.data"))))

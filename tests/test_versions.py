"""The versions that pyproject.toml allows are those with which the tests run, and it names all that is imported."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import sightx_cli

CHECKOUT = Path(__file__).parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED = (
    "demo",
    "tables",
    "medical",
    "export",
    "int8",
    "serve",
    "structured-report",
    "ray",
    "launch",
    "tensorboard",
    "test",
)
"""The extras that `make install` brings, but for the developers' own."""
NEEDED = [
    Requirement(text) for text in (*PROJECT["dependencies"], *(one for name in INSTALLED for one in EXTRAS[name]))
]
DEVELOPERS = [one for text in EXTRAS["dev"] if (one := Requirement(text)).name != PROJECT["name"]]


def read_pins(file: str) -> dict[str, Version]:
    """Read a file of constraints as the one version of each package."""
    lines = (CHECKOUT / file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pairs}


@pytest.mark.parametrize("needed", NEEDED, ids=lambda needed: needed.name)
def test_the_oldest_version_allowed_is_the_oldest_one_tested(needed: Requirement) -> None:
    oldest = read_pins("constraints-oldest.txt")[canonicalize_name(needed.name)]
    assert str(needed.specifier) == f">={oldest}"


@pytest.mark.parametrize("needed", [*NEEDED, *DEVELOPERS], ids=lambda needed: needed.name)
def test_a_package_asked_for_has_its_tested_version(needed: Requirement) -> None:
    assert needed.specifier.contains(read_pins("constraints.txt")[canonicalize_name(needed.name)])


def test_every_package_that_is_imported_is_asked_for() -> None:
    imported = set()
    for path in Path(sightx_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(str(node.module).split(".")[0])
    from_where = packages_distributions()
    packages = {
        name: {canonicalize_name(one) for one in from_where.get(name, [name])}
        for name in imported - sys.stdlib_module_names - {"sightx_cli"}
    }
    asked = {
        canonicalize_name(needed.name) for needed in (*NEEDED, *map(Requirement, EXTRAS["heif"] + EXTRAS["mlflow"]))
    }
    assert {name for name, found in packages.items() if not found & asked} == set()

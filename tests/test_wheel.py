"""What is installed from the wheel works without the checkout: recipes, templates and all."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(CHECKOUT)]
    done = subprocess.run([sys.executable, "-m", "pip", *build], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package_and_every_recipe(wheel: Path) -> None:
    package, recipes = CHECKOUT / "sightx_cli", CHECKOUT / "recipes"
    files = {path.relative_to(CHECKOUT) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    files |= {"sightx_cli" / path.relative_to(CHECKOUT) for path in recipes.rglob("*.toml")}
    held = set(map(Path, zipfile.ZipFile(wheel).namelist()))
    assert files <= held
    assert {path.parts[0] for path in held - files} == {next(path.parts[0] for path in held if "METADATA" in path.name)}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of an environment with the wheel, in a folder of its own: `installed("sightx", "fit", "…")`.

    What the wheel needs is taken from the environment of the tests, by a path that brings no checkout with it.
    """
    home = tmp_path_factory.mktemp("away")
    venv.create(home / "env", with_pip=False)
    programs = home / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    shown = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(programs / program), *arguments]
        return subprocess.run(command, cwd=home, env=shown, capture_output=True, text=True, check=False)

    where = run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    (Path(where) / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    for order in (["install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)], ["check"]):
        command = [sys.executable, "-m", "pip", "--python", str(python), *order]
        done = subprocess.run(command, env=shown, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    found = run("python", "-c", "import sightx_cli; print(sightx_cli.__file__)").stdout
    assert Path(found).is_relative_to(home)
    return run


@pytest.mark.slow
def test_recipes_demo_fit_predict_and_inspect_run_from_the_wheel(
    installed: Callable[..., subprocess.CompletedProcess[str]], digits: Path
) -> None:
    def ask(*arguments: str) -> dict[str, object]:
        done = installed("sightx", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    names = {recipe["name"] for recipe in ask("recipes", "list")["recipes"]}  # type: ignore[index, attr-defined]
    assert names == {file.stem for file in (CHECKOUT / "recipes").glob("*.toml")}
    ask("demo", "solar")
    ask("fit", str(digits), "--recipe", "natural-small", "--set", "image.size_px=64", "--out", "run")
    told = ask("predict", str(digits), "--model", "run", "-o", "predictions.csv")
    with Path(str(told["output"])).open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 72
    assert sum(row["prediction"] == Path(row["image"]).parent.name for row in rows) > 60
    ask("inspect", str(digits), "--out", "inspection")

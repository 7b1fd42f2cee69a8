"""What `docs/exports.md` says holds: its code gives the model's own answers, its table is that of the exporters."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sightx_cli.bundle.exporter import PRECISIONS
from sightx_cli.bundle.exporters import EXPORTERS

PAGE = (Path(__file__).parent.parent / "docs/exports.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
NEAR = 0.02
"""How near answers to whole images are: the graph's own resizing is not Pillow's to the digit."""


def test_the_table_of_precisions_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (yes|–) \| (yes|–) \| (yes|–) \| (yes|–) \|$", PAGE, re.MULTILINE)
    said = {
        name: tuple(one for one, cell in zip(PRECISIONS, cells, strict=True) if cell == "yes") for name, *cells in rows
    }
    assert said == {name: exporter.precisions for name, exporter in EXPORTERS.items()}


@pytest.fixture(scope="module")
def home(digits: Path, digits_run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """A folder with `export/` of all formats and `image.jpg`, and what the model says of the image."""
    from sightx_cli import export, load_model

    folder = tmp_path_factory.mktemp("elsewhere")
    export(digits_run.run, format="all", output=folder / "export")
    Image.open(digits / "one" / "03.png").convert("RGB").resize((200, 150)).save(folder / "image.jpg", quality=95)
    return folder, load_model(digits_run.run).predict(folder / "image.jpg").probabilities


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "c++"])
def test_the_python_of_the_page_gives_the_models_answer(home: tuple[Path, dict[str, float]], name: str) -> None:
    folder, expected = home
    said: list[dict[str, float]] = []
    paths = [*sys.path]
    try:
        with contextlib.chdir(folder):
            exec(compile(BLOCKS[name], "exports.md", "exec"), {"print": said.append})
    finally:
        sys.path[:] = paths
    assert said == [pytest.approx(expected, abs=NEAR)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler of C++ here")
def test_the_program_for_a_line_pc_compiles_and_gives_the_models_answer(home: tuple[Path, dict[str, float]]) -> None:
    import openvino

    folder, expected = home
    (folder / "label.cpp").write_text(BLOCKS["c++"], encoding="utf-8")
    Image.open(folder / "image.jpg").save(folder / "image.ppm")
    package = Path(openvino.__path__[0])
    [library, *_] = sorted((package / "libs").glob("libopenvino.so.*"))
    made = [*("g++", "-std=c++17", "-O2", f"-I{package / 'include'}", "label.cpp", "-o", "label")]
    subprocess.run([*made, str(library), f"-Wl,-rpath,{library.parent}"], check=True, cwd=folder)
    asked = ["./label", "export/openvino/model-any-size.xml", "image.ppm"]
    done = subprocess.run(asked, check=True, cwd=folder, capture_output=True, text=True)
    found = [float(line) for line in done.stdout.split()]
    assert found == pytest.approx(list(expected.values()), abs=NEAR)

"""What docs/results.md says to type works as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sightx_cli.app import app
from sightx_cli.report.annotations import FORMATS

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^    (sightx predict .*?)(?:  +#.*)?$", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Path, write_dicom: Callable[..., Path]) -> Path:
    """The current folder, with a digit of each class in `new/`, one of them DICOM."""
    from pydicom.uid import generate_uid

    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    for name in ("nought", "one"):
        shutil.copy(digits / name / "00.png", tmp_path / "new" / f"{name}.png")
    with Image.open(digits / "two" / "01.png") as image:
        pixels = np.asarray(image.convert("L"))
    write_dicom(tmp_path / "new" / "two.dcm", pixels, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid())
    return tmp_path


def run(command: str, model: Path) -> None:
    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--model", str(model), "--overwrite"])
    assert done.exit_code == 0, done.output


def test_every_format_has_its_row() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE) == list(FORMATS)


def test_every_prediction_on_the_page_runs(digits_run: FitResult) -> None:
    assert len(COMMANDS) == 3
    for command in COMMANDS:
        run(command, digits_run.run)


def test_labels_corrected_in_labelme_come_back_as_a_table(digits_run: FitResult, home: Path) -> None:
    run("sightx predict new --into labelme", digits_run.run)
    (snippet,) = [text for text in SNIPPETS if "labelme" in text]
    exec(compile(snippet, "results.md", "exec"), {})
    found = [line.split(",") for line in Path("corrected.csv").read_text().splitlines()]
    assert found == [
        ["image", "label"],
        [f'"{home}/new/nought.png"', '"nought"'],
        [f'"{home}/new/one.png"', '"one"'],
        [f'"{home}/new/two.dcm"', '"two"'],
    ]


def test_reports_are_read_as_the_page_says(
    digits_run: FitResult, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    run("sightx predict new --into dicom-sr", digits_run.run)
    (snippet,) = [text for text in SNIPPETS if "highdicom" in text]
    capsys.readouterr()
    exec(compile(snippet, "results.md", "exec"), {})
    assert re.fullmatch(r"1-two\.dcm two 0\.\d+\n", capsys.readouterr().out)

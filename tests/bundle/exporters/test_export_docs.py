"""The code in docs/export.md runs beside an export, and answers as the model does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli import export
from sightx_cli.bundle.predictor import load_predictor

PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def handover(build_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A folder with both formats and an image, and the model's probabilities of it."""
    run, folder = build_run(), tmp_path_factory.mktemp("handover")
    for made in export(run, format="all", output=folder / "made").exports:
        shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    few = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    image = Image.fromarray(few).resize((90, 60), Image.Resampling.BICUBIC)
    image.save(folder / "scan.png")
    image.save(folder / "scan.ppm")
    [expected] = load_predictor(run).predict([("", str(folder / "scan.png"))])
    assert expected.probabilities is not None
    return folder, expected.probabilities.tolist()


@pytest.mark.parametrize("place", [0, 1], ids=["onnxruntime", "OpenVINO"])
def test_the_python_prints_the_models_probabilities(
    handover: tuple[Path, list[float]],
    place: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, expected = handover
    monkeypatch.chdir(folder)
    exec(compile(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[place], "export.md", "exec"), {})
    found = [float(number) for number in re.findall(r"\d\.\d+(?:e-\d+)?", capsys.readouterr().out)]
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler on this machine")
def test_the_cpp_prints_the_models_probabilities(handover: tuple[Path, list[float]]) -> None:
    import openvino

    (folder, expected), home = handover, Path(openvino.__file__).parent
    [code] = re.findall(r"```cpp\n(.*?)```", PAGE, re.DOTALL)
    (folder / "predict.cpp").write_text(code)
    library = next((home / "libs").glob("libopenvino.so.*"))
    build = ["g++", "-std=c++17", "predict.cpp", f"-I{home / 'include'}", str(library), f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*build, "-o", "predict"], check=True, cwd=folder)
    told = subprocess.run([folder / "predict", "scan.ppm"], check=True, capture_output=True, text=True, cwd=folder)
    np.testing.assert_allclose([float(line) for line in told.stdout.split()], expected, atol=0.02)

"""An export runs where SightX is not: an environment of its own with numpy, Pillow and onnxruntime alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightx_cli import export
from sightx_cli.bundle.predictor import load_predictor

PYTHONS = ("3.11", "3.13")


def find_python(version: str) -> str:
    """The interpreter of a version: this one, one on the path, or one of pyenv's."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    known = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(known.glob(f"{version}.*/bin/python{version}"))
    return str(found[-1]) if found else pytest.skip(f"no Python {version} here")


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_the_code_beside_an_export_answers_alike_where_there_is_no_torch(
    build_run: Callable[..., Path], digits: Path, tmp_path: Path, version: str
) -> None:
    run, alone = build_run(), tmp_path / "alone"
    subprocess.run([find_python(version), "-m", "venv", alone], check=True)
    python = alone / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "numpy", "pillow", "onnxruntime"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"no package index is reachable: {installed.stderr[-200:]}")
    [made] = export(run, format="onnx", output=tmp_path / "out").exports
    files = [str(file) for file in sorted(digits.rglob("*.png"))[::5]]
    absent = [python, "-c", "import importlib.util as u; print([n for n in ('torch', 'sightx_cli') if u.find_spec(n)])"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert subprocess.run(absent, check=True, capture_output=True, text=True, env=clean, cwd=alone).stdout == "[]\n"
    told = subprocess.run(
        [python, made.folder / "predict_onnx.py", *files], check=True, capture_output=True, text=True, env=clean
    ).stdout
    found = [list(json.loads(line)["probabilities"].values()) for line in told.splitlines()]
    expected = [one.probabilities for one in load_predictor(run).predict(zip(files, files, strict=True))]
    np.testing.assert_allclose(found, np.stack([row for row in expected if row is not None]), atol=1e-4)

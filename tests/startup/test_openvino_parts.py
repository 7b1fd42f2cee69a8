"""OpenVINO comes without its converter, which stays within reach of other code in the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTLE = "from sightx_cli.startup.process import settle_process; settle_process()"
SCRIPT = f"""
import sys
{SETTLE}
from sightx_cli.startup.openvino_parts import openvino
import sightx_cli.engine.conversion
assert not [name for name in sys.modules if name.startswith(("openvino.tools", "openvino_telemetry"))]
from openvino import convert_model
try:
    convert_model("no such file.onnx")
except Exception as error:
    print(type(error).__name__)
assert "openvino.tools.ovc" in sys.modules
"""


QUIET = """
import socket, sys
{settle}
asked = []
socket.getaddrinfo = lambda *where, **how: asked.append(where)
import sightx_cli.engine.openvino_forward
sightx_cli.engine.openvino_forward.load_core()
print(asked, [name for name in sys.modules if name.startswith("openvino_telemetry")])
"""


@pytest.mark.parametrize("settle", ["", SETTLE], ids=["a caller's process", "the command's"])
def test_openvinos_telemetry_is_in_no_process(settle: str, tmp_path: Path) -> None:
    code = QUIET.format(settle=settle)
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert found.stdout == "[] []\n"
    assert list(tmp_path.iterdir()) == []


def test_an_openvino_that_insists_on_its_converter_comes_without_telemetry_too() -> None:
    code = (
        "import sys\n"
        "import sightx_cli.startup\n"
        "from importlib.util import find_spec, module_from_spec\n"
        "spec = find_spec('sightx_cli.startup.openvino_parts')\n"
        "parts = module_from_spec(spec)\n"
        "source = open(spec.origin).read()\n"
        "assert '((CONVERTER, TELEMETRY), (TELEMETRY,))' in source\n"
        "source = source.replace('((CONVERTER, TELEMETRY), (TELEMETRY,))', '((TELEMETRY,), (TELEMETRY,))')\n"
        "exec(compile(source, spec.origin, 'exec'), vars(parts))\n"
        "print('openvino.tools.ovc' in sys.modules, [n for n in sys.modules if n.startswith('openvino_telemetry')])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "True []\n"


def test_openvino_comes_without_its_converter_and_telemetry_which_others_may_still_call() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip()

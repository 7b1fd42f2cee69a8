"""OpenVINO comes without its converter, which stays within reach of other code in the process."""

from __future__ import annotations

import subprocess
import sys

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


def test_in_a_process_that_nobody_settled_openvino_comes_whole() -> None:
    code = "import sys, sightx_cli.engine.openvino_forward; print('openvino.tools.ovc' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "True\n"


def test_openvino_comes_without_its_converter_and_telemetry_which_others_may_still_call() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip()

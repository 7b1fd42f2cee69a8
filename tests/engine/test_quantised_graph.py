"""A graph in 8-bit numbers answers nearly as before, is made without a word, and tells nobody of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.engine.conversion import convert_module, write_graph
from sightx_cli.model.backbone import Backbone
from sightx_cli.startup.openvino_parts import openvino

QUANTISE = """
import sys
ASKED = []
NAMES = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")
sys.addaudithook(lambda event, given: ASKED.append(event) if event in NAMES else None)
from pathlib import Path
import numpy as np
from sightx_cli.engine.openvino_forward import read_graph
from sightx_cli.engine.deployed_graph import save_graph
from sightx_cli.engine.quantised_graph import quantise_graph
import os
before = {**os.environ}
views = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
save_graph(quantise_graph(read_graph(Path(sys.argv[1])), views), Path(sys.argv[2]))
import openvino_telemetry  # what was hidden can be imported again
print("asked:", ASKED, "changed:", {*before.items()} ^ {*os.environ.items()})
"""


@pytest.mark.slow
def test_the_inner_layers_are_in_int8_and_nobody_is_told(
    open_backbone: Callable[..., Backbone], tmp_path: Path
) -> None:
    backbone = open_backbone("resnet18", 64, "last")
    graph = convert_module(backbone, ("features",), 64, (0.5,) * 3, (0.5,) * 3)
    write_graph(graph, tmp_path / "graph.xml")
    command = [sys.executable, "-c", QUANTISE, str(tmp_path / "graph.xml"), str(tmp_path / "int8.xml")]
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "asked: [] changed: set()\n"
    assert "Statistics" not in done.stderr
    assert not (tmp_path / "home" / "intel").exists()
    core = openvino.Core()
    quantised = core.read_model(str(tmp_path / "int8.xml"))
    convolutions = [node for node in quantised.get_ordered_ops() if node.get_type_name() == "Convolution"]
    reads = [node.input_value(0).get_node().get_type_name() for node in convolutions]
    assert "FakeQuantize" not in reads[:3]
    assert reads[3:].count("FakeQuantize") > 10
    images = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    expected, found = (core.compile_model(one, "CPU", options)(images)[0] for one in (graph, quantised))
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.99

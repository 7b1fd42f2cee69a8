"""A graph whose weights are kept in float16 is half as large and still computes in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightx_cli.engine.deployed_graph import save_graph
from sightx_cli.startup.openvino_parts import openvino

# isort: split
from openvino import opset13 as op


def test_the_weights_are_half_as_long_and_sums_are_float32(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    given = op.parameter([-1, 64], np.float32, name="x")
    graph = openvino.Model([op.result(op.matmul(given, op.constant(weight), False, False))], [given], "linear")
    for name, is_half in (("whole", False), ("half", True)):
        save_graph(graph, tmp_path / f"{name}.xml", is_half)
    whole, half = ((tmp_path / f"{name}.bin").stat().st_size for name in ("whole", "half"))
    assert half <= 0.55 * whole
    model = openvino.Core().compile_model(str(tmp_path / "half.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    ones = 1e5 * np.ones((1, 64), np.float32)  # more than float16 holds
    np.testing.assert_allclose(model(ones)[0], ones @ weight, rtol=1e-2, atol=500)

"""Half as many bytes of weights, computed in float32 on any processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sightx_cli.bundle.exporters.onnx_half import keep_in_half, round_to_bfloat16

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
WEIGHT = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
BIAS = np.random.default_rng(1).normal(size=32).astype(np.float32) * 1e6


def build_program() -> Any:
    """Build a program of one linear layer."""
    from onnx import TensorProto, helper, numpy_helper

    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size]) for name, size in (("x", 64), ("y", 32))
    ]
    initializers = [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")]
    nodes = [helper.make_node("MatMul", ["x", "weight"], ["z"]), helper.make_node("Add", ["z", "bias"], ["y"])]
    graph = helper.make_graph(nodes, "linear", ends[:1], ends[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(("precision", "step"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_matrices_are_kept_in_half_and_biases_whole(precision: Any, step: float) -> None:
    whole = build_program()
    half = keep_in_half(whole, precision)
    onnx.checker.check_model(half, full_check=True)
    assert len(half.SerializeToString()) < 0.65 * len(whole.SerializeToString())
    session = onnxruntime.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"x": np.eye(64, dtype=np.float32)})
    np.testing.assert_array_less(np.abs(found - (WEIGHT + BIAS)), step * np.abs(WEIGHT) + 0.13 + 1e-6)
    [zero] = session.run(None, {"x": np.zeros((1, 64), np.float32)})
    np.testing.assert_array_equal(zero[0], BIAS)  # 1e6 is no number of float16


def test_rounding_to_bfloat16_is_torchs_own() -> None:
    import torch

    values = np.concatenate([WEIGHT.ravel(), np.float32([0, -0.0, 1, 1 + 2**-8, 1 + 3 * 2**-8, 1e-30, 3e38])])
    expected = torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()
    np.testing.assert_array_equal(round_to_bfloat16(values), expected)

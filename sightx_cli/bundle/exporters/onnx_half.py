"""The weights of an ONNX program in half precision: half the bytes, computed in float32 everywhere.

A runtime turns them back once, when it opens the file, so that the answers need no processor with half precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.exporter import ExportPrecision

VECTORS = "distances.vectors"
"""The name of what tells unfamiliar images, which stays as it is: distances of near images are small differences."""
SUFFIX = "_half"


def keep_in_half(program: Any, precision: ExportPrecision) -> Any:
    """Return a program (`onnx.ModelProto`) that keeps its matrices and filters in float16 or bfloat16.

    Biases, and all that is computed, stay in float32.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    half = onnx.ModelProto()
    half.CopyFrom(program)
    graph = half.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or tensor.name.endswith(VECTORS):
            continue
        values, name, shape = numpy_helper.to_array(tensor), tensor.name, list(tensor.dims)
        is_brain = precision == "bfloat16"
        kind = TensorProto.BFLOAT16 if is_brain else TensorProto.FLOAT16
        content = round_to_bfloat16(values) if is_brain else values.astype(np.float16)
        kept = helper.make_tensor(f"{name}{SUFFIX}", kind, shape, content.tobytes(), raw=True)
        tensor.CopyFrom(kept)
        casts.append(helper.make_node("Cast", [kept.name], [name], f"{name}_whole", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return half


def round_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round float32 numbers to the nearest bfloat16, the even one of two: the upper half of their bits."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)

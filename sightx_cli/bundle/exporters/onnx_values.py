"""Values of an ONNX graph in the making, written as formulas: `(left + right) / 2` adds an Add and a Div."""

from __future__ import annotations

from typing import Any

import numpy as np

Number = int | float
PREFIX = "resize/"
"""What the names of all that is added begin with, apart from those of the model behind it."""
DOUBLE, FLOAT, UINT8, INT64 = (np.dtype(name) for name in ("float64", "float32", "uint8", "int64"))


class OnnxNodes:
    """Nodes and constants of a graph, in order."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def name(self, name: str) -> OnnxValue:
        """Return a value that the graph is given."""
        return OnnxValue(self, name)

    def constant(self, value: Any, dtype: np.dtype[Any]) -> OnnxValue:
        """Add a constant."""
        from onnx import numpy_helper

        name = f"{PREFIX}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return OnnxValue(self, name)

    def call(self, operator: str, *inputs: OnnxValue, output: str = "", **attributes: Any) -> OnnxValue:
        """Add a node and return its one output."""
        from onnx import helper

        name = output or f"{PREFIX}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [one.name for one in inputs], [name], **attributes))
        return OnnxValue(self, name)


class OnnxValue:
    """One value; what it is combined with becomes a constant of type double where it is a number."""

    def __init__(self, nodes: OnnxNodes, name: str) -> None:
        self.nodes, self.name = nodes, name

    def call(self, operator: str, *others: OnnxValue | Number, **attributes: Any) -> OnnxValue:
        """Apply an operator to this value and others."""
        return self.nodes.call(operator, self, *map(self._lift, others), **attributes)

    def _lift(self, other: OnnxValue | Number) -> OnnxValue:
        return other if isinstance(other, OnnxValue) else self.nodes.constant(other, DOUBLE)

    def cast(self, dtype: np.dtype[Any]) -> OnnxValue:
        """Convert it to another type."""
        from onnx import helper

        return self.call("Cast", to=helper.np_dtype_to_tensor_dtype(dtype))

    def reshape(self, *shape: int) -> OnnxValue:
        """Give it another shape."""
        return self.call("Reshape", self.nodes.constant(shape, INT64))

    def choose(self, yes: OnnxValue | Number, no: OnnxValue | Number) -> OnnxValue:
        """Return `yes` where this condition holds, else `no`."""
        return self.call("Where", yes, no)

    def __add__(self, other: OnnxValue | Number) -> OnnxValue:
        return self.call("Add", other)

    def __sub__(self, other: OnnxValue | Number) -> OnnxValue:
        return self.call("Sub", other)

    def __mul__(self, other: OnnxValue | Number) -> OnnxValue:
        return self.call("Mul", other)

    def __truediv__(self, other: OnnxValue | Number) -> OnnxValue:
        return self.call("Div", other)

    def __lt__(self, other: OnnxValue | Number) -> OnnxValue:
        return self.call("Less", other)

    def __ge__(self, other: OnnxValue | Number) -> OnnxValue:
        return self.call("GreaterOrEqual", other)

    def __and__(self, other: OnnxValue) -> OnnxValue:
        return self.call("And", other)

    def __or__(self, other: OnnxValue) -> OnnxValue:
        return self.call("Or", other)

"""`data.geometry` inside an ONNX graph: from an image of any size to the plain view, by Pillow's own arithmetic.

Not ONNX's operator Resize: runtimes differ in its antialiasing, and it takes no window between pixels. Each axis is one
matrix product with the weights of Pillow's bicubic filter (support 2, a = −0.5, stretched by the scale where it
shrinks), which the graph computes from the image's size, rounded to 8 bits after each axis as Pillow rounds. Where
Pillow first averages whole cells of pixels (`reducing_gap`), the weights of the two steps are multiplied; only the
rounding between them is left out, and some versions of Pillow take the axes in the other order. The view is the same to
a few levels of 255, on average a third of one. Of a JPEG, which `data.readers` decodes at a fraction of its size, the
caller gives all pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sightx_cli.bundle.exporters.onnx_values import DOUBLE, FLOAT, INT64, PREFIX, UINT8, OnnxNodes, OnnxValue
from sightx_cli.data.geometry import CROP_PART

OPSET, IR_VERSION = 18, 10
"""What torch writes, so that the two can be joined."""
REDUCING_GAP, SUPPORT, SHARPNESS = 2.0, 2.0, -0.5
"""Of `data.geometry.cut_window`, and of Pillow's bicubic filter (its `_get_safe_box` takes half a pixel less)."""
VIEW = f"{PREFIX}view"


@dataclass(frozen=True)
class Axis:
    """One side of the image in the graph: what is shown of it, and where in the view."""

    length: OnnxValue
    """Pixels of the image."""
    begin: OnnxValue
    end: OnnxValue
    """What is shown, between pixels."""
    first: OnnxValue
    count: OnnxValue
    """The pixels of the view that show it; the others are black."""

    @property
    def scale(self) -> OnnxValue:
        """Pixels of the image for one of the view."""
        return (self.end - self.begin) / self.count

    @property
    def cell(self) -> OnnxValue:
        """How many pixels Pillow averages before it resizes."""
        return (self.scale / REDUCING_GAP).call("Floor").call("Max", 1.0)


def put_resize_before(model: Any, size_px: int, fit: str) -> Any:
    """Return a model of plain views (`onnx.ModelProto`) as one of an image of any size, (H, W, 3) uint8 RGB."""
    import onnx

    [opset] = [one.version for one in model.opset_import if not one.domain]
    whole, resize = onnx.ModelProto(), build_resize(size_px, fit, opset, model.ir_version).graph
    whole.CopyFrom(model)
    graph = whole.graph
    given = graph.input[0].name
    for node in graph.node:
        node.input[:] = [VIEW if name == given else name for name in node.input]
    nodes = [*resize.node, *graph.node]
    for kept, added in ((graph.node, nodes), (graph.input, list(resize.input)), (graph.value_info, [])):
        del kept[:]
        kept.extend(added)
    graph.initializer.extend(resize.initializer)
    for output in graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    return whole


def build_resize(size_px: int, fit: str, opset: int = OPSET, ir_version: int = IR_VERSION) -> Any:
    """Build the ONNX model from an image (H, W, 3) uint8 RGB to its plain view (1, size_px, size_px, 3) uint8."""
    from onnx import TensorProto, helper

    nodes = OnnxNodes()
    image = nodes.name("image")
    height, width = (image.call("Shape", start=side, end=side + 1).cast(DOUBLE).reshape() for side in (0, 1))
    down, across = choose_axes(nodes, height, width, size_px, fit)
    is_reduced = (down.cell.call("Greater", 1.0)) | (across.cell.call("Greater", 1.0))
    rows, columns = (weigh_pixels(nodes, axis, size_px, is_reduced) for axis in (down, across))
    planes = image.call("Transpose", perm=[2, 0, 1]).cast(FLOAT)
    narrow = round_levels(planes.call("MatMul", columns.call("Transpose", perm=[1, 0])))
    square = round_levels(rows.call("MatMul", narrow)).cast(UINT8)
    square.call("Transpose", perm=[1, 2, 0]).call("Unsqueeze", nodes.constant([0], INT64), output=VIEW)
    graph = helper.make_graph(
        nodes.nodes,
        "resize",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W", 3])],
        [helper.make_tensor_value_info(VIEW, TensorProto.UINT8, [1, size_px, size_px, 3])],
        nodes.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def choose_axes(nodes: OnnxNodes, height: OnnxValue, width: OnnxValue, size_px: int, fit: str) -> tuple[Axis, Axis]:
    """Choose what is shown down and across, as `choose_window` and `cut_window` do."""
    nothing, whole = nodes.constant(0.0, DOUBLE), nodes.constant(float(size_px), DOUBLE)
    if fit == "squash":
        down, across = (Axis(side, nothing, side, nothing, whole) for side in (height, width))
        return down, across
    if fit == "crop":
        shown = height.call("Min", width) * CROP_PART
        down, across = (
            Axis(side, (side - shown) / 2, (side - shown) / 2 + shown, nothing, whole) for side in (height, width)
        )
        return down, across
    longer = height.call("Max", width)
    scale, axes = whole / longer, []
    for side in (height, width):
        border = (longer - side) / 2
        first = (border * scale).call("Round").call("Min", size_px - 1.0)
        last = ((border + side) * scale).call("Round").call("Max", first + 1)
        axes.append(Axis(side, nothing, side, first, last - first))
    return axes[0], axes[1]


def weigh_pixels(nodes: OnnxNodes, axis: Axis, size_px: int, is_reduced: OnnxValue) -> OnnxValue:
    """Compute what each pixel of an axis adds to each of the view, (size_px, length) float32."""
    pixel = nodes.call("Range", *(nodes.constant(0, INT64), axis.length.cast(INT64), nodes.constant(1, INT64)))
    pixel = pixel.cast(DOUBLE).reshape(1, -1)
    place = nodes.constant([[float(number)] for number in range(size_px)], DOUBLE) - axis.first
    # What Pillow averages: cells of pixels within a box that leaves room for the filter, the last one perhaps smaller.
    room, nothing = axis.scale * (SUPPORT - 0.5), nodes.constant(0.0, DOUBLE)
    low = is_reduced.choose((axis.begin - room).call("Max", nothing).call("Floor"), nothing)
    high = is_reduced.choose((axis.end + room).call("Ceil").call("Min", axis.length), axis.length)
    number = ((pixel - low) / axis.cell).call("Floor")
    pixels = (number * axis.cell + axis.cell).call("Min", high - low) - number * axis.cell
    scale = axis.scale / axis.cell
    middle = (axis.begin - low) / axis.cell + (place + 0.5) * scale
    weight = compute_bicubic((number + 0.5 - middle) / scale.call("Max", 1.0)) / pixels
    inside = (pixel >= low) & (pixel < high)
    weight = inside.choose(weight, 0.0)
    shares = weight / weight.call("ReduceSum", nodes.constant([1], INT64), keepdims=1)
    shown = (place >= 0.0) & (place < axis.count)
    return shown.choose(shares, 0.0).cast(FLOAT)


def compute_bicubic(distance: OnnxValue) -> OnnxValue:
    """Compute Pillow's bicubic filter (Keys 1981, a = −0.5) at distances from the middle, in pixels."""
    x = distance.call("Abs")
    near = (x * (SHARPNESS + 2) - (SHARPNESS + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * SHARPNESS
    return (x < 1.0).choose(near, (x < SUPPORT).choose(far, 0.0))


def round_levels(levels: OnnxValue) -> OnnxValue:
    """Round float32 levels to whole ones from 0 to 255, halves upward."""
    half, low, high = (levels.nodes.constant(value, FLOAT) for value in (0.5, 0, 255))
    return (levels + half).call("Floor").call("Clip", low, high)

"""A graph whose convolutions compute in whole numbers of 8 bits, their ranges measured on images: by NNCF.

Post-training quantisation: nothing learns. Only processors with such instructions gain by it (VNNI, AMX).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.startup.nncf_parts import import_nncf, keeping_quiet

CALIBRATION_IMAGES = 300
"""Training images whose ranges are measured. With 100 in place of 300 the largest difference of any probability grew
from 0.16 to 0.20 on ants and bees."""

FLOAT_CONVOLUTIONS = 3
"""The first layers that stay in float32. They see the whole range of the pixels in maps of few channels, and what they
lose no later layer brings back: on graded retina photographs (lite0, 300 px) the mean difference of a probability fell
from 0.033 to 0.014 and 94 in place of 92 labels of a hundred agreed, at 2.7 in place of 3.1 times the speed of float32
(AMD Zen 5). More of them cost speed (6: 1.7 times, 12: 1.6) and no longer helped."""

CONVOLUTIONS = ("Convolution", "GroupConvolution")
MATRIX, NORMALISATION = "MatMul", "MVN"


def quantise_graph(graph: Any, views: NDArray[np.uint8]) -> Any:
    """Return a graph of uint8 images (N, S, S, 3) with its inner layers in int8; the given one is left as it is.

    What stands behind the network stays in float32 too: the head, which standardises what it reads, and distances. Both
    take a thousandth of the time.
    """
    nncf = import_nncf()
    nodes = [(node.get_type_name(), node.get_friendly_name()) for node in graph.get_ordered_ops()]
    first = [name for kind, name in nodes if kind in CONVOLUTIONS][:FLOAT_CONVOLUTIONS]
    end = max((place for place, (kind, _) in enumerate(nodes) if kind in (*CONVOLUTIONS, NORMALISATION)), default=0)
    behind = [name for kind, name in nodes[end:] if kind == MATRIX]
    kept = nncf.IgnoredScope(names=[*first, *behind], validate=False)
    is_transformer = any(kind == NORMALISATION for kind, _ in nodes)
    family = nncf.ModelType.TRANSFORMER if is_transformer else None
    with keeping_quiet():
        data = nncf.Dataset([view[None] for view in views])
        return nncf.quantize(graph.clone(), data, subset_size=len(views), ignored_scope=kept, model_type=family)

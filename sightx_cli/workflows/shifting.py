"""The measured shift: how far a data set's images lie from everyday photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sightx_cli.progress import Listener

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.embed.shift import Shift


def measure_manifest_shift(paths: Sequence[str], listener: Listener, keep_graph: bool = True) -> Shift:
    """Measure how far the images to train on lie from everyday photographs (see `embed.shift.measure_shift`)."""
    from sightx_cli.embed.shift import measure_shift  # OpenVINO takes 0.3 s to import

    return measure_shift(paths, listener, keep_graph)

"""OpenVINO, imported without the telemetry and the converter of model files that come with it.

Its converter reports its use to its makers' servers, and looks for them when it is imported; nothing of SightX opens a
connection, so that is kept out of every process, the command's and a caller's. It also saves 0.2 of 0.5 s. Import
`openvino` from here before any of its own modules.
"""

from __future__ import annotations

import sys
from typing import Any

CONVERTER, TELEMETRY = "openvino.tools", "openvino_telemetry"
HIDDEN = ((CONVERTER, TELEMETRY), (TELEMETRY,))
"""What is hidden while OpenVINO is imported; without its telemetry alone, should a version insist on the converter."""


def _convert_model(*given: Any, **named: Any) -> Any:
    """Import OpenVINO's converter and call it: other code in this process may want it."""
    from openvino.tools.ovc import convert_model

    return convert_model(*given, **named)


def _import_without(names: tuple[str, ...]) -> Any:
    """Import OpenVINO while these modules cannot be imported; they can be afterwards."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python's way to say "cannot be imported"
    try:
        import openvino
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
    return openvino


if "openvino" in sys.modules:
    import openvino
else:
    try:
        openvino = _import_without(HIDDEN[0])
    except ImportError:
        openvino = _import_without(HIDDEN[1])
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model

__all__ = ["openvino"]

"""OpenVINO, imported without its converter of model files: 0.2 of 0.5 s, and the telemetry that comes with it.

`sightx predict` of one image is over in a second, so its imports count. Import `openvino` from here before any of its
own modules.
"""

from __future__ import annotations

import sys
from typing import Any

from sightx_cli.startup.switch import may_touch

_CONVERTER = "openvino.tools"


def _convert_model(*given: Any, **named: Any) -> Any:
    """Import OpenVINO's converter and call it: other code in this process may want it."""
    from openvino.tools.ovc import convert_model

    return convert_model(*given, **named)


if "openvino" in sys.modules or not may_touch("openvino"):
    import openvino
else:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # Python's way to say that it cannot be imported
    try:
        import openvino
    finally:
        del sys.modules[_CONVERTER]
    openvino.convert_model = _convert_model

__all__ = ["openvino"]

"""SightX: fine-tune image classifiers from one command, with the strategy that the data calls for.

`from sightx_cli import audit, fit, find_lr, inspect, predict` is the Python API. The five are looked up when first
used, so that importing the package costs nothing and never imports torch.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightx_cli.workflows import audit, find_lr, fit, inspect, predict

# OpenMP's threads otherwise spin while they wait for each other. Where anything else wants the processor (another
# program, our own decoding threads) a spinning thread keeps it from the one that has work: a training step was
# measured three times slower. Read when torch is loaded, so set before anything can load it; a value set outside wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = ["__version__", "audit", "find_lr", "fit", "inspect", "predict"]


def __getattr__(name: str) -> Any:
    """Load a workflow when it is asked for. Raises AttributeError for any other name."""
    if name in {"audit", "find_lr", "fit", "inspect", "predict"}:
        return getattr(import_module("sightx_cli.workflows"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, those not yet loaded included."""
    return __all__

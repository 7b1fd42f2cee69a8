"""SightX: fine-tune image classifiers from one command, with the strategy that the data calls for.

`from sightx_cli import audit, compare, evaluate, explain, export, fit, find_lr, inspect, load_model, predict, serve` is
the Python API; `sightx_cli.api` has a file for each command. A function is imported when it is first asked for, so that
importing the package costs nothing. None changes what belongs to the whole process (seeds, warning filters,
environment, allocator); `settle_process` does, for callers that want the faster start of the `sightx` command.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sightx_cli.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from sightx_cli.api.audit import audit
    from sightx_cli.api.compare import compare
    from sightx_cli.api.evaluate import evaluate
    from sightx_cli.api.explain import explain
    from sightx_cli.api.export import export
    from sightx_cli.api.fit import fit
    from sightx_cli.api.inspect import inspect
    from sightx_cli.api.load_model import load_model
    from sightx_cli.api.lr_find import find_lr
    from sightx_cli.api.predict import predict
    from sightx_cli.api.serve import serve
    from sightx_cli.startup.process import settle_process

_HOMES = {
    "audit": "api.audit",
    "compare": "api.compare",
    "evaluate": "api.evaluate",
    "explain": "api.explain",
    "find_lr": "api.lr_find",
    "export": "api.export",
    "fit": "api.fit",
    "inspect": "api.inspect",
    "load_model": "api.load_model",
    "predict": "api.predict",
    "serve": "api.serve",
    "settle_process": "startup.process",
}
"""The module that each function is in."""

__all__ = [
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "explain",
    "export",
    "find_lr",
    "fit",
    "inspect",
    "load_model",
    "predict",
    "serve",
    "settle_process",
]


def __getattr__(name: str) -> Any:
    """Import a function when it is asked for. Raises AttributeError for any other name."""
    if name in _HOMES:
        return getattr(import_module(f"sightx_cli.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, those not yet loaded included."""
    return __all__

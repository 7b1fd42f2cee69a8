"""The public Python API: each function does one job, returns a result object and prints nothing.

Heavy libraries are imported when a function is called, so `import sightx_cli.workflows` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightx_cli.workflows.audited import AuditResult, BackboneComparison
    from sightx_cli.workflows.auditing import audit, compare_backbones
    from sightx_cli.workflows.caching import CacheEntry, CacheListing, clear_cache, list_cache
    from sightx_cli.workflows.demonstrating import write_demo
    from sightx_cli.workflows.finding import find_lr
    from sightx_cli.workflows.fitting import fit
    from sightx_cli.workflows.inspecting import inspect
    from sightx_cli.workflows.inspection import InspectResult
    from sightx_cli.workflows.predicting import predict
    from sightx_cli.workflows.probing import probe
    from sightx_cli.workflows.results import FitResult, LrFindResult, PredictResult, ProbeResult

_HOMES = {
    "AuditResult": "audited",
    "BackboneComparison": "audited",
    "CacheEntry": "caching",
    "CacheListing": "caching",
    "FitResult": "results",
    "InspectResult": "inspection",
    "LrFindResult": "results",
    "PredictResult": "results",
    "ProbeResult": "results",
    "audit": "auditing",
    "clear_cache": "caching",
    "compare_backbones": "auditing",
    "find_lr": "finding",
    "fit": "fitting",
    "inspect": "inspecting",
    "list_cache": "caching",
    "predict": "predicting",
    "probe": "probing",
    "write_demo": "demonstrating",
}

__all__ = [
    "AuditResult",
    "BackboneComparison",
    "CacheEntry",
    "CacheListing",
    "FitResult",
    "InspectResult",
    "LrFindResult",
    "PredictResult",
    "ProbeResult",
    "audit",
    "clear_cache",
    "compare_backbones",
    "find_lr",
    "fit",
    "inspect",
    "list_cache",
    "predict",
    "probe",
    "write_demo",
]


def __getattr__(name: str) -> Any:
    """Import a workflow when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

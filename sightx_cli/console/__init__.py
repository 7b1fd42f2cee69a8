"""What the user sees: results on stdout, messages on stderr; tables, progress bars, JSON.

Each name is imported from its module when it is asked for: a command shows one kind of result, not all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightx_cli.console.audit import show_audit
    from sightx_cli.console.backbones import show_backbones
    from sightx_cli.console.comparison import show_comparison
    from sightx_cli.console.evaluation import show_evaluation
    from sightx_cli.console.explanation import show_explanation
    from sightx_cli.console.export import show_export
    from sightx_cli.console.inspection import show_inspection
    from sightx_cli.console.listener import ConsoleListener
    from sightx_cli.console.output import print_error, print_json, print_next, print_table, print_text
    from sightx_cli.console.probe import show_probe
    from sightx_cli.console.run_comparison import show_run_comparison
    from sightx_cli.console.runs import ask_removal, show_forgotten, show_removal, show_run, show_runs
    from sightx_cli.console.serve import open_browser, show_address, show_served
    from sightx_cli.console.summary import name_next_command, show_cache, show_fit, show_lr_find, show_predict
    from sightx_cli.console.watch import show_watch

__all__ = [
    "ConsoleListener",
    "ask_removal",
    "name_next_command",
    "open_browser",
    "print_error",
    "print_json",
    "print_next",
    "print_table",
    "print_text",
    "show_address",
    "show_audit",
    "show_backbones",
    "show_cache",
    "show_comparison",
    "show_evaluation",
    "show_explanation",
    "show_export",
    "show_fit",
    "show_forgotten",
    "show_inspection",
    "show_lr_find",
    "show_predict",
    "show_probe",
    "show_removal",
    "show_run",
    "show_run_comparison",
    "show_runs",
    "show_served",
    "show_watch",
]

HOMES = {
    "audit": ("show_audit",),
    "backbones": ("show_backbones",),
    "comparison": ("show_comparison",),
    "evaluation": ("show_evaluation",),
    "explanation": ("show_explanation",),
    "export": ("show_export",),
    "inspection": ("show_inspection",),
    "listener": ("ConsoleListener",),
    "output": ("print_error", "print_json", "print_next", "print_table", "print_text"),
    "probe": ("show_probe",),
    "run_comparison": ("show_run_comparison",),
    "runs": ("ask_removal", "show_forgotten", "show_removal", "show_run", "show_runs"),
    "serve": ("open_browser", "show_address", "show_served"),
    "summary": ("name_next_command", "show_cache", "show_fit", "show_lr_find", "show_predict"),
    "watch": ("show_watch",),
}
"""The names that each module gives."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    home = next((home for home, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)

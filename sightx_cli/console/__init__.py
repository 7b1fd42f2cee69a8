"""What the user sees: results on stdout, messages on stderr; tables, progress bars, JSON."""

from __future__ import annotations

from sightx_cli.console.audit import show_audit
from sightx_cli.console.comparison import show_comparison
from sightx_cli.console.evaluation import show_evaluation
from sightx_cli.console.explanation import show_explanation
from sightx_cli.console.inspection import show_inspection
from sightx_cli.console.listener import ConsoleListener
from sightx_cli.console.output import print_error, print_json, print_next, print_table, print_text
from sightx_cli.console.probe import show_probe
from sightx_cli.console.run_comparison import show_run_comparison
from sightx_cli.console.runs import ask_removal, show_removal, show_run, show_runs
from sightx_cli.console.summary import show_cache, show_fit, show_lr_find, show_predict

__all__ = [
    "ConsoleListener",
    "ask_removal",
    "print_error",
    "print_json",
    "print_next",
    "print_table",
    "print_text",
    "show_audit",
    "show_cache",
    "show_comparison",
    "show_evaluation",
    "show_explanation",
    "show_fit",
    "show_inspection",
    "show_lr_find",
    "show_predict",
    "show_probe",
    "show_removal",
    "show_run",
    "show_run_comparison",
    "show_runs",
]

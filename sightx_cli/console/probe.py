"""The end of a probe: what was measured, what was chosen and by which figure, and where freezing pays off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from sightx_cli.console.learning_curve import print_learning_curve
from sightx_cli.console.numbers import format_count, format_seconds
from sightx_cli.console.output import open_console, print_table, print_words, to_line
from sightx_cli.metrics.registry import LOSS, find_title

if TYPE_CHECKING:
    from sightx_cli.results.probe import ProbeResult, Trial

SETTINGS = {
    "model.head.taps": "which stages' features the head reads",
    "training.class_weights": "whether rare classes weigh more",
    "image.size_px": "at how many pixels the images are read",
    "image.fit": "how an image is made square",
    "model.backbone": "which network reads the images",
}
"""What a setting is, in words."""


def show_probe(result: ProbeResult) -> None:
    """Show a probe's choices, a table for each setting, what decides, and the figures of each stage."""
    console, probed = open_console(stderr=False), result.probed
    console.print()
    console.print(
        Text(f"measured in {format_seconds(result.seconds['probe'])}", "bold green").append(
            f"   {result.recipe}, {format_count(probed.images, 'image')} of the train part, "
            f"budget {format_seconds(probed.budget_seconds)}",
            "default",
        ),
        soft_wrap=True,
    )
    for setting, trials in groupby(probed.choices, key=lambda trial: trial.setting):
        _print_setting(setting, tuple(trials))
    if probed.choices:
        print_words(console, Text(explain_star(probed.choices)))
    for line in probed.dropped:
        print_words(console, Text(f"  {to_line(line)}"))
    for line in probed.skipped:
        print_words(console, Text(f"  not tried: {to_line(line)}", "yellow"))
    if result.depth:
        metric = find_title(probed.metric)
        stages = [
            (stage.stage, *("–" if value is None else f"{value:.3f}" for value in (stage.alone, stage.up_to)))
            for stage in result.depth
        ]
        title = "a head on the features of each stage"
        print_table(title, ("stage", f"{metric}, alone", "with all before it"), stages)
        print_words(console, Text(f"  {to_line(result.freezing)}"))
    if not probed.chosen:
        console.print(Text("no variant is clearly better: recipe unchanged", "bold"))
    if result.learning_curve is not None:
        print_learning_curve(console, result.learning_curve)
    console.print(Text("plot  ", "dim").append(to_line(result.picture)), soft_wrap=True)


def _print_setting(setting: str, trials: Sequence[Trial]) -> None:
    """Print the values of one setting with the figures that decide between them, one of them starred."""
    columns = ["value", find_title(trials[0].metric), *([BEHIND] if is_judged_by_loss(trials) else []), "time", ""]
    rows = []
    for trial in trials:
        cells = [trial.value, f"{trial.mean:.3f} ± {trial.standard_error:.3f}"]
        if is_judged_by_loss(trials):
            cells.append(format_behind(trial))
        rows.append((*cells, format_seconds(trial.seconds), "★" if trial.chosen else ""))
    words = SETTINGS.get(setting)
    print_table(f"{words} ({setting})" if words else setting, columns, rows)


BEHIND = f"{LOSS.title} above the lowest"


def is_judged_by_loss(trials: Sequence[Trial]) -> bool:
    """Whether the log loss, compared image by image, decides between these values too."""
    return any(trial.log_loss_behind is not None for trial in trials)


def format_behind(trial: Trial) -> str:
    """Format how much higher a value's log loss is than the lowest one: 0.031 ± 0.012, "lowest"."""
    if trial.log_loss_behind is None or trial.log_loss_error is None:
        return "–"
    if not trial.log_loss_behind:
        return "lowest"
    return f"{trial.log_loss_behind:.3f} ± {trial.log_loss_error:.3f}"


def explain_star(trials: Sequence[Trial]) -> str:
    """Say what the star stands for: by which figures a value is taken; and what the times do not tell."""
    by_loss = (
        f", and whose {LOSS.title} is not higher by more than one error of the difference (for the recipe's own: two)"
        if is_judged_by_loss(trials)
        else ""
    )
    taken = f"  ★ is taken: the first, which is the simplest, whose figure is within one error of the best{by_loss}"
    return f"{taken}. time is what this command took: what the cache holds took none"

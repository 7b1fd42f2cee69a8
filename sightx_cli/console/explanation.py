"""The end of `explain`: which image was predicted as what, and where its heatmap is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from sightx_cli.console.numbers import format_count, format_seconds
from sightx_cli.console.output import open_console, print_table, print_words, to_line

if TYPE_CHECKING:
    from sightx_cli.results.explain import ExplainResult

SHOWN = 20
"""The most images that the terminal lists; heatmaps.csv has all."""


def show_explanation(result: ExplainResult) -> None:
    """Show the heatmaps that were drawn: of which class, how much of the score each covers, and where they lie."""
    console = open_console(stderr=False)
    drawn = [one for one in result.images if one.picture is not None]
    took = format_seconds(result.seconds["total"])
    console.print(Text(f"\n{format_count(len(drawn), 'heatmap')} in {took}", "bold green"), soft_wrap=True)
    rows = [
        (
            one.image,
            (one.prediction or "–") + f" ({one.status})" * bool(one.status),
            "–" if one.confidence is None else f"{one.confidence:.2f}",
            one.class_name,
            f"{one.covered or 0:.0%}" + " (estimate)" * (one.is_exact is False),
            one.picture.name if one.picture else "",
        )
        for one in drawn[:SHOWN]
    ]
    if rows:
        print_table("", ("image", "prediction", "confidence", "map of", "score shown", "picture"), rows)
    if len(drawn) > SHOWN:
        console.print(Text(f"and {len(drawn) - SHOWN:,} more in heatmaps.csv", "dim"))
    for one in [one for one in result.images if one.error][:SHOWN]:
        print_words(console, Text(f"no heatmap of {to_line(one.image)}: {to_line(one.error)}", "yellow"))
    if drawn:
        said = "a heatmap shows what this model used, not whether it is right; the words below each picture say more"
        print_words(console, Text(said, "dim"))
    console.print(Text("folder ", "dim").append(to_line(result.folder), "default"), soft_wrap=True)

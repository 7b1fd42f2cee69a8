"""`sightx probe`: measure a recipe's choices before training."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.options import RECIPE, Data, SplitOptions, Talk, TrainingOptions

EXAMPLES = """\
[bold]Examples[/]
sightx probe scans/ --shift different
sightx probe scans/ --recipe medical-medium --budget 120
sightx probe scans/ --group-by 'person\\d+'   [dim]no patient on both sides[/]"""

Budget = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="What the probe may take. [dim](default: a tenth of the fit, at least 10)[/]",
        rich_help_panel=RECIPE,
    ),
]


@flatten_options
def probe(data: Data, options: TrainingOptions, split: SplitOptions, talk: Talk, budget: Budget = None) -> None:
    """Measure which choices pay on your images, before training.

    Quick heads on the frozen network's outputs compare taps, class weights,
    size and fit, and show what each stage of the network says. Looks at the
    train part only.
    """
    import sightx_cli.api.probe as api
    from sightx_cli.console import show_probe

    given = options.to_arguments() | split.to_arguments()
    with talk.listen() as listener:
        result = api.probe(data, budget=budget, **given, listener=listener)
    settings = "".join(f" --set {key}={value}" for key, value in result.chosen.items())
    then = f"sightx fit {shlex.quote(data)}{options.repeat()}{split.repeat()}{settings}"
    talk.answer(result, show_probe, then, "trains with these choices")

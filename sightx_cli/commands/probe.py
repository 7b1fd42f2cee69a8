"""`sightx probe`: measure a recipe's choices before training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.errors import quote
from sightx_cli.steps.options import AUTO, Options

if TYPE_CHECKING:
    from sightx_cli.results.probe import ProbedChoices

BACKBONE = "model.backbone"

EXAMPLES = """\
[bold]Examples[/]
sightx probe scans/ --shift different
sightx probe scans/ --recipe medical-medium --budget 120
sightx probe scans/ --group-by 'person\\d+'   [dim]no patient on both sides[/]"""


@flatten_options
def probe(options: Options, talk: Talk) -> None:
    """Measure which choices pay on your images, before training.

    Quick linear heads on the frozen network's features compare taps,
    class weights, size and fit, and show what each stage of the network
    adds. Uses the train part only.
    """
    import sightx_cli.api.probe as api
    from sightx_cli.console import show_probe

    with talk.listen() as listener:
        result = api.probe(**options.given(), listener=listener)
    talk.answer(result, show_probe, write_fit(options, result.probed), "trains with these choices")


def write_fit(options: Options, probed: ProbedChoices) -> str:
    """Write the command that trains with what was chosen; the network that auto has found is named in its place."""
    chosen = dict(probed.chosen)
    if options.backbone == AUTO:
        network = next((one.value for one in probed.choices if one.setting == BACKBONE and one.chosen), None)
        options = replace(options, backbone=network)
        chosen.pop(BACKBONE, None)
    return options.write_command() + "".join(f" --set {quote(f'{key}={value}')}" for key, value in chosen.items())

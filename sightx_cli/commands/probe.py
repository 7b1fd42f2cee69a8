"""`sightx probe`: measure a recipe's choices before training."""

from __future__ import annotations

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.steps.options import Options

EXAMPLES = """\
[bold]Examples[/]
sightx probe scans/ --shift different
sightx probe scans/ --recipe medical-medium --budget 120
sightx probe scans/ --learning-curve          [dim]would more images help?[/]
sightx probe scans/ --group-by 'person\\d+'   [dim]no patient on both sides[/]"""


@flatten_options
def probe(options: Options, talk: Talk) -> None:
    """Measure which choices pay on your images, before training.

    Quick linear heads on the frozen network's features compare taps,
    class weights, size and fit, and show what each stage of the network
    adds. With --learning-curve, heads on fewer images say whether more
    would help. Uses the train part only.
    """
    import sightx_cli.api.probe as api
    from sightx_cli.console import show_probe

    with talk.listen() as listener:
        result = api.probe(**options.given(), listener=listener)
    talk.answer(result, show_probe, api.write_fit(options, result.probed), "trains with these choices")

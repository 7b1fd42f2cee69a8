"""`sightx lr-find`: find a learning rate."""

from __future__ import annotations

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.steps.options import Options

EXAMPLES = """\
[bold]Examples[/]
sightx lr-find scans/                                    [dim]for the recipe that fits the images[/]
sightx lr-find scans/ --recipe medical-medium --stage 1  [dim]a later stage[/]
sightx fit scans/ --recipe medical-medium --rate auto    [dim]find and use it[/]"""


@flatten_options
def lr_find(options: Options, talk: Talk) -> None:
    """Find a learning rate for your images.

    Raises the rate step by step, from the head that `sightx fit` starts from,
    and watches the loss. Suggests rates where the loss falls, shows the
    recipe's beside them, draws the curve here and saves it as a picture.
    """
    import sightx_cli.api.lr_find as api
    from sightx_cli.console import show_lr_find

    with talk.listen() as listener:
        result = api.find_lr(**options.given(), listener=listener)
    is_recipe = result.chosen == result.recipe_rate
    then = options.write_command() + ("" if is_recipe else f" --rate {result.chosen:.1e}")
    why = "trains with the recipe's rate" if is_recipe else "trains with the rate chosen"
    # --rate is the first stage's: what was found for another belongs in the recipe
    talk.answer(result, show_lr_find, then if options.stage is None or is_recipe else "", why)

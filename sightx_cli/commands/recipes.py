"""`sightx recipes`: the recipes that come with SightX, which one fits, and starting one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.api.recipes import Verdict
from sightx_cli.commands.base import Commands
from sightx_cli.commands.completions import complete_names
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.errors import quote

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A shipped recipe, or a file.", show_default=False, autocompletion=complete_names
    ),
]
NewFile = Annotated[Path, typer.Argument(metavar="FILE", help="The new file, such as mine.toml.", show_default=False)]
Files = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="Recipe files, or names of shipped ones.", show_default=False)
]
Images = Annotated[int, typer.Option("--images", metavar="N", help="How many labelled images there are for training.")]
Reference = Annotated[
    bool,
    typer.Option("--reference", help="The reference recipes: well-known designs, each as it is taught."),
]
Likeness = Annotated[Verdict, typer.Option("--shift", help="How the images compare with everyday photographs.")]

MEDICAL = (
    "medical stands for all images unlike everyday photographs: scans and X-rays, and as well microscopy, surfaces of "
    "parts, aerial images"
)

app = Commands()


@app.callback()
def recipes() -> None:
    """List, show, choose, copy and check recipes: what trains, for how long, at which rates."""


@app.command("list")
@flatten_options
def list_shipped(talk: Talk, reference: Reference = False) -> None:
    """List the recipes that come with SightX, and what each is for."""
    import sightx_cli.api.recipes as api
    from sightx_cli.console import print_json, print_next, print_table, print_text

    found = api.list_recipes(reference)
    if talk.json:
        print_json({"recipes": found})
        return
    others = [] if reference else ["also called"]
    rows = [(one.name, *([one.also] if others else []), one.summary) for one in found]
    print_table("", ("recipe", *others, "what it is for"), rows)
    if others:
        print_text(MEDICAL)
    if not talk.quiet:
        more = "" if reference else f"{len(api.list_recipes(reference=True))} more, well-known designs for reference"
        print_next("sightx recipes show NAME" if reference else "sightx recipes list --reference", more)


@app.command("show")
@flatten_options
def show(name: Name, talk: Talk) -> None:
    """Show a recipe's whole file; with --json every value, defaults included."""
    import sightx_cli.api.recipes as api
    from sightx_cli.console import print_json, print_text

    if talk.json:
        print_json(api.read_recipe(name))
    else:
        print_text(api.show_recipe(name).rstrip())


@app.command("decide")
@flatten_options
def decide(images: Images, shift: Likeness, talk: Talk) -> None:
    """Show which recipe fits a number of images, and why."""
    import sightx_cli.api.recipes as api
    from sightx_cli.console import print_json, print_next, print_text

    choice = api.decide_recipe(images, shift)
    if talk.json:
        print_json(choice)
    else:
        print_text(f"recipe  {choice.recipe}\ntrains  {choice.strategy}\nwhy     {choice.reason}")
        if not talk.quiet:
            print_next(f"sightx fit DATA --recipe {choice.recipe}")


@app.command("copy")
@flatten_options
def copy(name: Name, file: NewFile, talk: Talk) -> None:
    """Copy a recipe to a new file, to start one of your own; it takes the name of the file."""
    import sightx_cli.api.recipes as api
    from sightx_cli.console import print_json, print_next, print_text

    path = api.copy_recipe(name, file)
    if talk.json:
        print_json({"recipe": name, "file": path})
    else:
        print_text(str(path))
        if not talk.quiet:
            print_next(f"sightx recipes check {quote(file)}", "once you have changed it")


@app.command("check")
@flatten_options
def check(files: Files, talk: Talk) -> None:
    """Check recipe files: every fault at once, each with what was found and what is allowed."""
    import sightx_cli.api.recipes as api
    from sightx_cli.console import print_json, print_text

    checked = api.check_recipes(files)
    if talk.json:
        print_json({"files": [{"file": file, "valid": not found, "faults": found} for file, found in checked.items()]})
    for path in (path for path, faults in checked.items() if not (faults or talk.json)):
        print_text(f"{path}: valid")
    if any(checked.values()):
        raise api.build_check_error(checked)

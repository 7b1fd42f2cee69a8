"""The Typer app: registers the commands, and is the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from sightx_cli.commands import (
    audit,
    backbones,
    cache,
    compare,
    demo,
    evaluate,
    explain,
    export,
    fit,
    inspect,
    lr_find,
    predict,
    probe,
    recipes,
    runs,
    serve,
)
from sightx_cli.commands.base import Commands, SuggestingGroup
from sightx_cli.errors import RecipeError, SightXError, quote
from sightx_cli.filesystem import ROOM_ERRNOS
from sightx_cli.machine import build_shortage, is_thread_shortage
from sightx_cli.recipe.names import write_share
from sightx_cli.startup.exit import leave
from sightx_cli.startup.process import settle_process
from sightx_cli.startup.streams import settle_streams
from sightx_cli.version import VERSION

OUR_DEFECT, WRONG_INPUT = 1, 2
"""Exit statuses, beside 0 for done and 130 for interrupted."""
ACCESS_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS}
SYSTEM_ERRNOS = {errno.EIO, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT}
"""What a disk, a network disk or the system's limits report, whatever we do."""


class Boundary(SuggestingGroup):
    """The group of all commands, with the one error boundary around them."""

    def main(self, args: Sequence[str] | None = None, **how: Any) -> NoReturn:  # type: ignore[override]
        """Run a command and exit: 0 done, 1 a defect of ours, 2 wrong input or usage, 130 interrupted."""
        arguments = sys.argv[1:] if args is None else list(args)
        how["standalone_mode"] = False
        try:
            status = super().main(arguments, **how) or 0
        except Exception as error:
            if "--debug" in arguments:
                traceback.print_exception(error)
            status = report_error(error)
        sys.exit(status)


def report_error(error: Exception) -> int:
    """Print on stderr what went wrong and what to type next, one line each; return the exit status."""
    from sightx_cli.console import print_error

    error = build_shortage(error) or error
    if isinstance(error, SightXError):
        print_error(error.message, error.hint, error.faults if isinstance(error, RecipeError) else ())
        return error.exit_code
    if hasattr(error, "format_message"):  # Typer's own usage errors
        return report_usage(error)
    if isinstance(error, OSError) and error.errno in ROOM_ERRNOS:
        print_error(f"no space left on the disk{_name_file(error)}", "free some space, or write to another disk")
        return WRONG_INPUT
    if isinstance(error, OSError) and error.errno in ACCESS_ERRNOS:
        print_error(
            f"permission denied{_name_file(error)}", f"see who has access: ls -ld {quote(error.filename or '.')}"
        )
        return WRONG_INPUT
    if isinstance(error, OSError) and error.errno in SYSTEM_ERRNOS:
        print_error(f"{error.strerror}{_name_file(error)}", "see what is there, and what the disk reports: dmesg")
        return WRONG_INPUT
    if is_thread_shortage(error):
        print_error(
            "too few threads: the system gave this process no more",
            "close other programs, or raise its limit: ulimit -u, or that of its container",
        )
        return WRONG_INPUT
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    print_error(
        f"a bug in SightX: {type(error).__name__} at {where}: {error}",
        "run the same command with --debug for the traceback, and please report it",
    )
    return OUR_DEFECT


def report_usage(error: Any) -> int:
    """Report what is wrong with the command line. A call without a command has shown its help already."""
    from sightx_cli.console import print_error

    if type(error).__name__ == "NoArgsIsHelpError":
        return WRONG_INPUT
    context, cause = getattr(error, "ctx", None), error.__cause__
    message, found = error.format_message().rstrip("."), ""
    if hasattr(cause, "errors"):  # newer Typer: pydantic's words leave out the value found
        fault, choices = cause.errors()[0], error.param.type_descriptor.choices
        allowed = f"allowed are {', '.join(choices)}" if choices else fault["msg"].replace("Input should", "it should")
        found = str(fault["input"])
        message = f"{error.param.opts[0]} is '{found}': {allowed}"
    elif type(error).__name__ == "BadParameter" and error.param is not None:  # older Typer: the words name it
        message = f"{error.param.opts[0]}: {error.message.rstrip('.')}"
        found = error.message.partition(" is not ")[0]
        if choices := getattr(error.param.type, "choices", None):
            message = f"{error.param.opts[0]} is {found}: allowed are {', '.join(map(str, choices))}"
        found = found.strip("'")
    hint = f"{context.command_path if context else 'sightx'} --help shows what is allowed"
    if found and getattr(error.param, "metavar", None) == evaluate.SHARE:
        message = f"{error.param.opts[0]} is '{found}': allowed are numbers between 0 and 1"
        hint = f"{error.param.opts[0]} {share}" if (share := write_share(found)) is not None else hint
    print_error(message, hint)
    return WRONG_INPUT


def _name_file(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def show_version(asked: bool) -> None:
    """Print the version and exit."""
    if asked:
        print(f"sightx {VERSION}")
        raise typer.Exit


app = Commands(
    cls=Boundary,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\
[bold]Start here[/]
sightx inspect scans/   [dim]what is wrong with the images, if anything[/]
sightx fit scans/       [dim]the recipe is chosen for you[/]
sightx predict new/     [dim]the newest run labels new images[/]
sightx evaluate later/  [dim]how good it is on images labelled later[/]
sightx fit -h           [dim]every option, with examples[/]""",
)


@app.callback()
def sightx(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Fine-tune image classifiers from one command, on the machine you have."""


TRAIN, TRY, KEEP = "Train and use", "Recipes and data", "Housekeeping"
app.command("fit", rich_help_panel=TRAIN, epilog=fit.EXAMPLES)(fit.fit)
app.command("lr-find", rich_help_panel=TRAIN, epilog=lr_find.EXAMPLES)(lr_find.lr_find)
app.command("predict", rich_help_panel=TRAIN, epilog=predict.EXAMPLES)(predict.predict)
app.command("evaluate", rich_help_panel=TRAIN, epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command("explain", rich_help_panel=TRAIN, epilog=explain.EXAMPLES)(explain.explain)
app.command("export", rich_help_panel=TRAIN, epilog=export.EXAMPLES)(export.export)
app.command("serve", rich_help_panel=TRAIN, epilog=serve.EXAMPLES)(serve.serve)
app.command("compare", rich_help_panel=TRAIN, epilog=compare.EXAMPLES)(compare.compare)
app.command("inspect", rich_help_panel=TRY, epilog=inspect.EXAMPLES)(inspect.inspect)
app.command("probe", rich_help_panel=TRY, epilog=probe.EXAMPLES)(probe.probe)
app.command("audit", rich_help_panel=TRY, epilog=audit.EXAMPLES)(audit.audit)
app.command("backbones", rich_help_panel=TRY, epilog=backbones.EXAMPLES)(backbones.backbones)
app.add_typer(recipes.app, name="recipes", rich_help_panel=TRY)
app.command("demo", rich_help_panel=TRY, epilog=demo.EXAMPLES)(demo.demo)
app.add_typer(runs.app, name="runs", rich_help_panel=KEEP)
app.add_typer(cache.app, name="cache", rich_help_panel=KEEP)


def main() -> None:
    """Run `sightx`, in a process that is its own."""
    settle_streams()
    settle_process()
    try:
        app()
    except SystemExit as done:
        leave(done.code)

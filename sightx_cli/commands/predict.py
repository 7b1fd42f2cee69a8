"""`sightx predict`: label images with a trained model."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.device import Device
from sightx_cli.commands.flat_options import flatten_options, share_option
from sightx_cli.commands.talk import Talk
from sightx_cli.errors import UsageError
from sightx_cli.startup.termination import find_exit_status, heeding_termination
from sightx_cli.steps.options import RUN

EXAMPLES = """\
[bold]Examples[/]
sightx predict new/                               [dim]with the newest run[/]
sightx predict a.png b.jpg --model runs/latest -o labels.jsonl
sightx predict table.csv -o out.parquet --resume  [dim]go on where it stopped[/]
sightx predict new/ --into labelstudio            [dim]to correct there, unsure images first[/]
sightx predict --watch camera/ --move-to sorted/  [dim]a folder that fills, until Ctrl-C[/]"""

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Folders (read recursively), image files, or tables of images.",
        show_default=False,
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN", help="A run's folder, or its name in runs/ [dim](default: the newest)[/].", rich_help_panel=RUN
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where to write: .csv, .parquet or .jsonl.", rich_help_panel=RUN
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Images per batch [dim](default: chosen by their size)[/].",
        rich_help_panel=RUN,
    ),
]
ImageColumn = Annotated[str | None, share_option("image_column")]
Images = Annotated[Path | None, share_option("images")]
Heatmaps = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Draw where each prediction comes from, as explain does, here.", rich_help_panel=RUN
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue where an earlier call stopped.", rich_help_panel=RUN)]
Abstain = Annotated[
    bool,
    typer.Option("--abstain", help="No prediction for unsure or unfamiliar images.", rich_help_panel=RUN),
]
Views = Annotated[
    int | None,
    typer.Option(
        "--tta",
        metavar="N",
        min=1,
        help="Average each prediction over N views, changed as leaves the labels alone.",
        rich_help_panel=RUN,
    ),
]
Into = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="Write them for another tool too: labelme, coco, fiftyone, labelstudio, or dicom-sr.",
        rich_help_panel=RUN,
    ),
]
IntoFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where --into writes [dim](default: beside the output)[/].", rich_help_panel=RUN
    ),
]
Watched = Annotated[
    bool,
    typer.Option(
        "--watch",
        help="Label images as they arrive in a folder, until Ctrl-C; go on with its table.",
        rich_help_panel=RUN,
    ),
]
MoveTo = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="With --watch: move each labelled file to FOLDER/CLASS/.", rich_help_panel=RUN),
]
On = Annotated[
    str | None,
    typer.Option(
        metavar="ray",
        help="Predict on the workers of a Ray cluster; the output may be a folder, for partitions.",
        rich_help_panel=RUN,
    ),
]
Address = Annotated[str | None, share_option("address")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output.", rich_help_panel=RUN)]


@flatten_options
def predict(
    sources: Sources,
    model: Model = None,
    output: Output = Path("predictions.csv"),
    batch: Batch = None,
    image_column: ImageColumn = None,
    images: Images = None,
    heatmaps: Heatmaps = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    abstain: Abstain = False,
    tta: Views = None,
    device: Device = "auto",
    into: Into = None,
    into_folder: IntoFolder = None,
    on: On = None,
    address: Address = None,
    watch: Watched = False,
    move_to: MoveTo = None,
    *,
    talk: Talk,
) -> None:
    """Label images with a trained model, one row for each.

    A table comes back row by row, in its order and with its own columns. A
    file that cannot be read keeps its row, with the error in it; it never
    stops the others. The column status tells predictions that are unsure, and
    images unlike those learned from. After Ctrl-C the rows so far are kept for --resume.
    With --watch a folder is labelled as it fills.
    """
    options = {"model": model, "output": output, "batch": batch, "image_column": image_column, "images": images}
    options |= {"heatmaps": heatmaps, "overwrite": overwrite, "abstain": abstain, "tta": tta}
    options |= {} if device == "auto" else {"device": device}
    options |= {"into": into, "into_folder": into_folder, "on": on, "address": address}
    if watch or move_to is not None:
        watch_folder(sources, watch, resume, {**options, "move_to": move_to}, talk)
    else:
        label_sources(sources, resume, options, talk)


def label_sources(sources: Sequence[str], resumes: bool, options: Mapping[str, object], talk: Talk) -> None:
    """Label what there is, and say how to go on where it was interrupted."""
    import sightx_cli.api.predict as api
    from sightx_cli.console import print_next, show_predict

    try:
        with heeding_termination(), talk.listen() as listener:
            result = api.predict(sources, resume=resumes, listener=listener, **options)  # type: ignore[arg-type]
    except KeyboardInterrupt as interrupt:
        if kept := api.describe_left(Path(str(options["output"]))):
            print_next(write_resuming(sources, options), f"goes on: {kept} are kept")
        raise typer.Exit(find_exit_status(interrupt)) from interrupt
    talk.answer(result, show_predict)
    api.check_read(result)


def watch_folder(
    sources: Sequence[str], is_asked: bool, resumes: bool, options: Mapping[str, object], talk: Talk
) -> None:
    """Watch a folder until it is stopped, which ends it well. Raises UsageError for what does not go with it."""
    import sightx_cli.api.watch as api
    from sightx_cli.console import show_watch

    if not is_asked:
        raise UsageError("--move-to: is for a folder that fills", "add --watch")
    if len(sources) != 1:
        raise UsageError(f"--watch: found {len(sources)} sources; allowed: one folder", "sightx predict --watch FOLDER")
    if resumes and options["overwrite"]:
        raise UsageError("--resume goes on with a table, --overwrite begins it anew", "leave out one of the two")
    taken = ("model", "output", "overwrite", "abstain", "tta", "move_to")
    for name, value in options.items():
        if name not in taken and value is not None:
            raise UsageError(f"--{name.replace('_', '-')}: does not go with --watch", "leave it out")
    try:
        with heeding_termination(), talk.listen() as listener:
            kept = {name: options[name] for name in taken}
            result = api.watch(sources[0], listener=listener, **kept)  # type: ignore[arg-type]
    except KeyboardInterrupt as interrupt:  # before there was anything to end
        raise typer.Exit(find_exit_status(interrupt)) from interrupt
    talk.answer(result, show_watch)


def write_resuming(sources: Sequence[str], options: Mapping[str, object]) -> str:
    """Write the command that goes on where an interrupted prediction stopped; what begins with - follows --."""
    words = ["sightx", "predict"]
    for name, value in options.items():
        if value not in (None, False):
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value is True else [flag, str(value)]
    barred = ["--"] if any(source.startswith("-") for source in sources) else []
    return shlex.join([*words, "--resume", *barred, *sources])

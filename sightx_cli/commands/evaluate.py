"""`sightx evaluate`: how good a model is on images labelled later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.device import Device
from sightx_cli.commands.flat_options import flatten_options, share_option
from sightx_cli.commands.talk import Talk
from sightx_cli.steps.options import MODEL, RUN

FIGURES, DECISION = "Figures", "Decision"
SHARE = "SHARE"
"""What is asked for by an option that takes a number between 0 and 1."""

EXAMPLES = """\
[bold]Examples[/]
sightx evaluate later/                        [dim]the newest run, on images labelled later[/]
sightx evaluate later.csv --by site --by sex  [dim]where does it fail?[/]
sightx evaluate later/ --per '(person\\d+)'    [dim]one decision for each patient[/]
sightx evaluate later/ --at-sensitivity 0.95 --positive severe --keep"""


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured, of which model, and where it is written."""

    source: Annotated[str, share_option("source")]
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="A run's folder, or its name in runs/ [dim](default: the newest)[/].",
            rich_help_panel=MODEL,
        ),
    ] = None
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Show the figures of each value of a column, such as the site. May be given again.",
            rich_help_panel=FIGURES,
        ),
    ] = None
    per: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|REGEX",
            help="One decision for each patient or part, from the mean of its images' probabilities.",
            rich_help_panel=FIGURES,
        ),
    ] = None
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|REGEX",
            help="What intervals resample whole, such as the patient: a column, a DICOM tag, or a regular expression.",
            rich_help_panel=FIGURES,
        ),
    ] = None
    at_sensitivity: Annotated[
        float | None,
        typer.Option(
            metavar=SHARE,
            help="Choose the threshold that finds this share of what is positive, on what the fit kept.",
            rich_help_panel=DECISION,
        ),
    ] = None
    at_specificity: Annotated[
        float | None,
        typer.Option(
            metavar=SHARE, help="Likewise, one that spares this share of what is negative.", rich_help_panel=DECISION
        ),
    ] = None
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="fn=X,fp=Y",
            help="Likewise, that of the least cost, where a miss costs X and a false alarm Y.",
            rich_help_panel=DECISION,
        ),
    ] = None
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="The classes that count as positive [dim](default: the second of two)[/].",
            rich_help_panel=DECISION,
        ),
    ] = None
    prevalence: Annotated[
        list[float] | None,
        typer.Option(
            metavar=SHARE,
            help="Give predictive values at this share of positive images too. May be given again.",
            rich_help_panel=DECISION,
        ),
    ] = None
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Store the threshold in the run: predict and evaluate decide by it, until sightx runs forget.",
            rich_help_panel=DECISION,
        ),
    ] = False
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Images per batch [dim](default: chosen by their size)[/].", rich_help_panel=MODEL
        ),
    ] = None
    device: Device = "auto"
    tta: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Average each prediction over N views, changed as leaves the labels alone, and say what it gains.",
            rich_help_panel=MODEL,
        ),
    ] = None
    image_column: Annotated[str | None, share_option("image_column")] = None
    label_column: Annotated[str | None, share_option("label_column")] = None
    images: Annotated[Path | None, share_option("images")] = None
    label_by: Annotated[str | None, share_option("label_by")] = None
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness/--no-robustness",
            help="Whether up to 200 images are measured again as JPEG, blurred, brighter, darker and cropped.",
            rich_help_panel=FIGURES,
        ),
    ] = True
    on: Annotated[
        str | None,
        typer.Option(metavar="ray", help="Predict on the workers of a Ray cluster.", rich_help_panel=MODEL),
    ] = None
    address: Annotated[str | None, share_option("address")] = None
    about: Annotated[Path | None, share_option("about")] = None
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The folder for the results [dim](default: in evaluations/)[/].", rich_help_panel=RUN
        ),
    ] = None
    overwrite: Annotated[bool, share_option("overwrite")] = False


@flatten_options
def evaluate(options: EvaluateOptions, talk: Talk) -> None:
    """Measure a trained model on labelled images.

    Every figure with its 95 % interval, the figures of each class and of each
    subgroup, and a report to hand over. A folder with parts is measured on
    test, else on valid.
    """
    import sightx_cli.api.evaluate as api
    from sightx_cli.console import show_evaluation

    several = {"by": options.by or (), "prevalence": options.prevalence or ()}
    with talk.listen() as listener:
        result = api.evaluate(**{**vars(options), **several}, listener=listener)
    talk.answer(result, show_evaluation)

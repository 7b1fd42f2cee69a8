"""The files of an inspection: the fingerprint, the page and the contact sheets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.data.fingerprint import Fingerprint
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.machine import measure_threads
from sightx_cli.quality.description import Describer
from sightx_cli.report.inspection_page import write_page
from sightx_cli.report.sheets import LIMIT, draw_sheet, load_tiles
from sightx_cli.results.findings import take_rows
from sightx_cli.results.inspect import InspectResult
from sightx_cli.task.label_text import split_names

if TYPE_CHECKING:
    import pandas as pd

CLASS_EXAMPLES, CLASSES_SHOWN = 6, 30
"""Images of each class on the page, and the most classes shown."""


def write_inspection(
    result: InspectResult,
    fingerprint: Fingerprint,
    frame: pd.DataFrame,
    folder: Path,
    name: str,
    separator: str = "",
    reading: Reading = AS_IS,
) -> None:
    """Write the fingerprint, the page and the contact sheets; findings.json follows last, with the seconds."""
    describer = Describer("", frame, separator=separator)
    classes = []
    sets = [split_names(label, separator) for label in frame["label"]]
    for label, count in list(result.class_counts.items())[:CLASSES_SHOWN]:
        places = [place for place, given in enumerate(sets) if label in given][:CLASS_EXAMPLES]
        classes.append((label, count, [replace(describer.show(place), label="") for place in places]))
    shown = [picture for _, _, pictures in classes for picture in pictures]
    shown += [picture for finding in result.findings for row in take_rows(finding, LIMIT) for picture in row]
    tiles = load_tiles(shown, measure_threads().decoding, reading)
    for finding in result.findings:
        if finding.rows:
            draw_sheet(finding, tiles, folder / f"{finding.kind}.jpg")
    runs.write_json(folder / runs.FINGERPRINT, fingerprint.to_json())
    write_page(folder / runs.PAGE, name, result, classes, tiles)

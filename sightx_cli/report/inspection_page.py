"""The page of an inspection: one HTML file that opens anywhere, offline, with its pictures embedded."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from sightx_cli.report.sheets import LIMIT
from sightx_cli.report.templates import render_template
from sightx_cli.results.findings import Picture, take_rows
from sightx_cli.results.inspect import InspectResult


def write_page(
    path: Path,
    title: str,
    result: InspectResult,
    classes: Sequence[tuple[str, int, Sequence[Picture]]],
    tiles: Mapping[str, Image.Image],
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        title: the data set.
        result: what was found, the most serious first.
        classes: each class with its number of images and some of them.
        tiles: small pictures by file, of all that is shown.
    """
    uris: dict[str, str] = {}

    def show(picture: Picture) -> str:
        if picture.path not in uris and picture.path in tiles:
            uris[picture.path] = encode_tile(tiles[picture.path])
        return uris.get(picture.path, "")

    sections: list[dict[str, Any]] = []
    for finding in result.findings:
        rows = take_rows(finding, LIMIT)
        more = finding.pictures - sum(map(len, rows))
        lines = finding.lines[:LIMIT]
        sections.append({"finding": finding, "rows": rows, "more": more, "lines": lines, "hidden": len(finding.lines)})
    most = max((count for _, count, _ in classes), default=1)
    text = render_template(
        "inspection.html",
        title=title,
        result=result,
        classes=classes,
        most=most,
        sections=sections,
        show=show,
        limit=LIMIT,
    )
    path.write_text(text, encoding="utf-8")


def encode_tile(tile: Image.Image) -> str:
    """Encode a small picture as an address that holds it: JPEG, in base64."""
    stream = io.BytesIO()
    tile.save(stream, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")

"""Contact sheets: the images of a finding side by side with names and labels, one JPEG to look at or send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from sightx_cli.data.readers import AS_IS, ImageFileError, Reading, holding_pixels, read_image
from sightx_cli.report.drawn_text import cut_text, load_font
from sightx_cli.results.findings import Finding, Picture, take_rows

TILE_PX = 160
LIMIT = 40
"""About how many images one sheet and one section of the page show: the rest is in findings.json."""
_GAP_PX, _CAPTION_PX, _COLUMNS, _HEAD_PX = 12, 52, 6, 64
_INK, _MUTED, _PAPER, _FRAME, _BLANK = "#1d2733", "#5b6b7b", "#ffffff", "#c9d3dd", "#eef2f5"


def load_tiles(pictures: Iterable[Picture], threads: int, reading: Reading = AS_IS) -> dict[str, Image.Image]:
    """Read the files of pictures as small RGB images, at most TILE_PX long; one that cannot be read is left out.

    Smaller images are enlarged by an integer factor, without smoothing, so that there is something to see.
    """
    paths = list(dict.fromkeys(picture.path for picture in pictures))

    def load(path: str) -> Image.Image | None:
        try:
            with holding_pixels():
                image = read_image(path, min_long_side_px=TILE_PX, reading=reading)
                image.thumbnail((TILE_PX, TILE_PX))
        except ImageFileError:
            return None
        times = max(1, TILE_PX // max(image.size))
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)

    with ThreadPoolExecutor(threads) as pool:
        tiles = zip(paths, pool.map(load, paths), strict=True)
        return {path: tile for path, tile in tiles if tile is not None}


def draw_sheet(finding: Finding, tiles: Mapping[str, Image.Image], path: Path) -> None:
    """Draw one finding's contact sheet; images that belong together share a frame."""
    rows = take_rows(finding, LIMIT)
    places, height = _lay_out([len(row) for row in rows])
    width = _GAP_PX + _COLUMNS * (TILE_PX + _GAP_PX)
    sheet = Image.new("RGB", (width, height + _HEAD_PX), _PAPER)
    draw = ImageDraw.Draw(sheet)
    shown = sum(map(len, rows))
    more = f"   {finding.pictures - shown:,} more images in findings.json" if finding.pictures > shown else ""
    draw.text((_GAP_PX, 12), cut_text(draw, finding.title, load_font(20), width - 24), _INK, load_font(20))
    draw.text((_GAP_PX, 38), f"{shown:,} shown{more}", _MUTED, load_font(13))
    for row, spots in zip(rows, places, strict=True):
        _draw_frame(draw, spots, together=len(row) > 1)
        for picture, (left, top) in zip(row, spots, strict=True):
            _draw_tile(sheet, draw, picture, tiles.get(picture.path), left, top + _HEAD_PX)
    sheet.save(path, format="JPEG", quality=85)


def _lay_out(sizes: Sequence[int]) -> tuple[list[list[tuple[int, int]]], int]:
    """Place rows of tiles one after the other; a row that does not fit the rest of a line begins the next."""
    places, column, line = [], 0, 0
    for size in sizes:
        if column and column + size > _COLUMNS:
            column, line = 0, line + 1
        spots = []
        for _ in range(size):
            if column == _COLUMNS:
                column, line = 0, line + 1
            spots.append((_GAP_PX + column * (TILE_PX + _GAP_PX), line * (TILE_PX + _CAPTION_PX + _GAP_PX)))
            column += 1
        places.append(spots)
    return places, (line + 1) * (TILE_PX + _CAPTION_PX + _GAP_PX)


def _draw_frame(draw: Any, spots: Sequence[tuple[int, int]], together: bool) -> None:
    if not together:
        return
    for top in sorted({top for _, top in spots}):
        lefts = [left for left, here in spots if here == top]
        box = (min(lefts) - 5, top + _HEAD_PX - 5, max(lefts) + TILE_PX + 5, top + _HEAD_PX + TILE_PX + _CAPTION_PX)
        draw.rounded_rectangle(box, 6, outline=_FRAME, width=2)


def _draw_tile(sheet: Any, draw: Any, picture: Picture, tile: Image.Image | None, left: int, top: int) -> None:
    draw.rectangle((left, top, left + TILE_PX - 1, top + TILE_PX - 1), fill=_BLANK)
    if tile is not None:
        sheet.paste(tile, (left + (TILE_PX - tile.width) // 2, top + (TILE_PX - tile.height) // 2))
    said = " · ".join(part for part in (picture.label, picture.split) if part)
    for number, (text, colour) in enumerate(((picture.name, _INK), (said, _MUTED), (picture.remark, _MUTED))):
        font = load_font(12)
        cut = cut_text(draw, text, font, TILE_PX, from_end=number == 0)
        draw.text((left, top + TILE_PX + 2 + 15 * number), cut, colour, font)

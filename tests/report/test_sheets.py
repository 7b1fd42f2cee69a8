"""Contact sheets: every picture in its tile, the small ones large enough to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sightx_cli.report.sheets import LIMIT, TILE_PX, draw_sheet, load_tiles
from sightx_cli.results.findings import Finding, Picture


def save(path: Path, size: tuple[int, int], colour: tuple[int, int, int] = (200, 30, 30)) -> Picture:
    Image.new("RGB", size, colour).save(path)
    return Picture(str(path), path.name, "red")


def test_large_images_shrink_and_small_ones_grow_by_a_whole_number_pixel_by_pixel(tmp_path: Path) -> None:
    large, small, nearly = (
        save(tmp_path / name, size) for name, size in (("l.png", (800, 400)), ("s.png", (32, 16)), ("n.png", (100, 90)))
    )
    speck = Image.open(small.path)
    speck.putpixel((3, 2), (0, 0, 255))
    speck.save(small.path)
    (tmp_path / "bad.png").write_text("no image")
    tiles = load_tiles([large, small, nearly, Picture(str(tmp_path / "bad.png"), "bad.png", "red")], 2)
    assert {Path(path).name: tile.size for path, tile in tiles.items()} == {
        "l.png": (TILE_PX, TILE_PX // 2),
        "s.png": (160, 80),
        "n.png": (100, 90),
    }
    blue = np.argwhere((np.asarray(tiles[small.path]) == (0, 0, 255)).all(2))
    assert (blue.min(0).tolist(), blue.max(0).tolist(), len(blue)) == ([10, 15], [14, 19], 25)


def test_a_sheet_shows_each_image_up_to_its_limit(tmp_path: Path) -> None:
    pictures = [save(tmp_path / f"{place}.png", (40, 40)) for place in range(LIMIT + 5)]
    tiles = load_tiles(pictures, 2)
    heights = []
    for count in (1, LIMIT, LIMIT + 5):
        finding = Finding("outliers", "strangers", "what", "advice", tuple((one,) for one in pictures[:count]))
        draw_sheet(finding, tiles, tmp_path / "sheet.jpg")
        sheet = np.asarray(Image.open(tmp_path / "sheet.jpg")).astype(int)
        heights.append(len(sheet))
        red = (abs(sheet - (200, 30, 30)) < 40).all(2).sum()
        assert abs(red / 160**2 - min(count, LIMIT)) < 0.1 * min(count, LIMIT)
    assert heights[0] < heights[1] == heights[2]

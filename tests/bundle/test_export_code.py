"""The code beside an export reads files as training did, to the pixel, or refuses them."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli.bundle.export_code import CODE, Runner, write_code
from sightx_cli.bundle.export_contract import build_contract
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.geometry import FITS
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import Reading
from sightx_cli.task.single_label import SingleLabel

ORIENTATION = 274


def load_code(folder: Path, fit: str = "crop", reading: Reading | None = None) -> dict[str, Any]:
    """The names of the script, for a bundle of 48 px whose model is not asked."""
    facts = BundleFacts(SingleLabel(("a", "b")), 48, fit, (0.5,) * 3, (0.5,) * 3, "test_resnet", {}, "mine")
    if reading is not None:
        facts = BundleFacts(**{**vars(facts), "reading": reading})
    (folder / "contract.json").write_text(json.dumps(build_contract(facts, [], folder)))
    (folder / "code.py").write_text(write_code(Runner("numpy", "FILE", "MODEL"), "code.py", "model.onnx"))
    return runpy.run_path(str(folder / "code.py"))


def draw(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    few = np.random.default_rng(1).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(few).resize(size, Image.Resampling.BICUBIC).convert(mode)


def save_rotated(path: Path, turn: int = 6) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    draw((120, 70)).save(path, exif=exif)


def save_transparent(path: Path, alpha: Callable[[Any], Any], mode: str = "RGBA") -> None:
    image = draw((60, 50), mode)
    levels = np.indices((50, 60)).sum(0)
    image.putalpha(Image.fromarray(np.asarray(alpha(levels), np.uint8)))
    image.save(path)


def save_colour_key(path: Path) -> None:
    draw((60, 50)).convert("P").save(path, transparency=3)


ODD: dict[str, Callable[[Path], object]] = {
    "grey.png": lambda path: draw((70, 50), "L").save(path),
    "bits.png": lambda path: draw((70, 50), "1").save(path),
    "palette.png": lambda path: draw((70, 50), "P").save(path),
    "palette.gif": lambda path: draw((70, 50)).save(path, save_all=True, append_images=[draw((70, 50)).rotate(90)]),
    "ink.jpg": lambda path: draw((70, 50), "CMYK").save(path),
    "rotated.jpg": save_rotated,
    "mirrored.png": lambda path: save_rotated(path, 5),
    "opaque.png": lambda path: save_transparent(path, lambda levels: levels * 0 + 255),
    "unused.png": lambda path: save_transparent(path, lambda levels: levels * 0),
    "cut-out.png": lambda path: save_transparent(path, lambda levels: np.where(levels > 40, 255, 0)),
    "veil.webp": lambda path: save_transparent(path, lambda levels: levels * 2),
    "grey with alpha.png": lambda path: save_transparent(path, lambda levels: levels * 2, "L"),
    "colour key.png": save_colour_key,
    "pixel.png": lambda path: draw((1, 1)).save(path),
    "sliver.png": lambda path: draw((3, 400)).save(path),
    "tiny.bmp": lambda path: draw((9, 7)).save(path),
    "large.jpg": lambda path: draw((2500, 1900)).save(path),
    "wide.jpg": lambda path: draw((3000, 200)).save(path),
    "large.png": lambda path: draw((1501, 1003)).save(path),
}


@pytest.mark.parametrize("fit", FITS)
def test_it_gives_the_views_of_odd_files_to_the_pixel(fit: str, tmp_path: Path) -> None:
    code, reading = load_code(tmp_path, fit), Reading()
    for name, save in ODD.items():
        file = tmp_path / name
        if not file.exists():
            save(file)
        expected, _ = read_plain_view(file, 48, fit, reading)
        np.testing.assert_array_equal(code["view"](code["read"](file)), expected, err_msg=name)


@pytest.mark.parametrize("name", ["grey.png", "colour.png", "alpha.png", "floats.tif", "colour.tif", "colour.ppm"])
def test_it_refuses_what_pillow_alone_would_read_otherwise(name: str, tmp_path: Path) -> None:
    code, file = load_code(tmp_path), tmp_path / name
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    if name == "grey.png":
        Image.fromarray(deep).save(file)
    elif name == "floats.tif":
        Image.fromarray(deep.astype(np.float32)).save(file)
    elif name in ("colour.png", "alpha.png"):
        file.write_bytes(pack_deep_png(deep, 3 if name == "colour.png" else 4))
    else:
        draw((40, 30)).save(file)
    with pytest.raises(ValueError, match="is not read here as in training: more than 8 bits"):
        code["read"](file)


def pack_deep_png(values: Any, bands: int) -> bytes:
    """A PNG of 16 bits a channel, RGB or RGBA, which Pillow cannot write."""
    import struct
    import zlib

    rows = np.repeat(values[..., None], bands, 2).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2 if bands == 3 else 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("reading", [Reading(page=2), Reading(bands=(3, 2, 1))], ids=["page", "bands"])
def test_it_refuses_every_file_where_the_training_read_them_in_a_way_of_its_own(
    reading: Reading, tmp_path: Path
) -> None:
    draw((40, 30)).save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match=r"the training read them with image\.(page|bands)"):
        load_code(tmp_path, reading=reading)["read"](tmp_path / "plain.png")


def test_it_is_thirty_lines_of_code() -> None:
    assert sum(bool(line.strip()) and not line.startswith("#") for line in CODE.splitlines()) <= 30

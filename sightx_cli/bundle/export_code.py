"""The contract as code: thirty lines that stand beside an export and run it with numpy, Pillow and its runtime alone.

They do to a file what `data.readers` and `data.geometry` do, or refuse it: what Pillow alone would read otherwise than
SightX (more than 8 bits a channel, TIFF, DICOM, HEIC, bands or a page that were asked for) is never read differently.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Runner:
    """How Python runs the file of plain views in a format's own runtime."""

    package: str
    """What is imported, and installed by this name."""
    opens: str
    """The expression that opens `FILE`, a path as text."""
    runs: str
    """The expression that gives the outputs by MODEL of `VIEWS`, (N, S, S, 3) uint8: the probabilities (N, C) and,
    where there is one, the distance (N,)."""


CODE = """\
# Labels images: python @NAME@ IMAGE...   Needs numpy, pillow, @PACKAGE@; contract.json says what is done.
import json, math, pathlib, sys, numpy as np, @PACKAGE@
from PIL import Image, ImageOps
C = json.loads(pathlib.Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))
S, FIT, EDGES, RULE, FAR = C["image"]["size_px"], C["image"]["fit"], C["edges"], C["unsure"], C["unfamiliar"]
MODEL = @OPENS@

def read(path):  # upright RGB as in training; an error for what Pillow alone would read otherwise
    image = Image.open(path)
    if image.format not in C["reads"]["formats"] or image.mode[0] in "IF" or ";16" in str(image.tile):
        raise ValueError(f"{path} is not read here as in training: {'; '.join(C['reads']['refused'])}")
    side = {"crop": S / 0.875, "squash": S, "pad": S * min(image.size) / max(image.size)}[FIT]
    image.draft(None, (math.ceil(side),) * 2)  # a JPEG is decoded at a half, a quarter or an eighth of its size
    image = ImageOps.exif_transpose(image) if "exif" in image.info else image
    if image.has_transparency_data and (np.asarray(layer := image.convert("RGBA"))[..., 3] > 0).mean() > 0.001:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer).convert("RGB")
    return (image.convert("RGBA") if image.has_transparency_data else image).convert("RGB")

def view(image):  # (S, S, 3) uint8: cropped, padded or squashed in one step
    size, canvas = np.array(image.size, float), Image.new("RGB", (S, S))
    shown = {"crop": np.full(2, 0.875 * size.min()), "squash": size, "pad": np.full(2, size.max())}[FIT]
    start, scale = (size - shown) / 2, S / shown
    low, high = np.maximum(start, 0), np.minimum(start + shown, size)
    first = np.minimum(np.round((low - start) * scale), S - 1).astype(int)
    last = np.maximum(np.round((high - start) * scale).astype(int), first + 1)
    canvas.paste(image.resize((last - first).tolist(), 3, (*low, *high), reducing_gap=2.0), first.tolist())  # bicubic
    return np.asarray(canvas)

for path in sys.argv[1:] if __name__ == "__main__" else []:
    p = dict(zip(EDGES, (outputs := @RUNS@)[0][0].tolist()))
    given = [max(p, key=lambda name: p[name] - EDGES[name])] if C["one_label"] else [n for n in p if p[n] >= EDGES[n]]
    unsure = RULE and any(1 - p[n] >= RULE["has_not"][n] if n in given else p[n] >= RULE["has"][n] for n in p)
    status = "unfamiliar" if FAR and outputs[1][0] > FAR["limit"] else "unsure" if unsure else "sure" if RULE else ""
    print(json.dumps({"image": path, "given": given, "status": status, "probabilities": p}))
"""
"""Where a word stands between @, the script has what its format puts there."""


def write_code(runner: Runner, name: str, file: str) -> str:
    """Return the text of a script of this name that runs a model file beside it."""
    opens = runner.opens.replace("FILE", f'str(pathlib.Path(__file__).with_name("{file}"))')
    runs = runner.runs.replace("VIEWS", "view(read(path))[None]")
    words = {"NAME": name, "PACKAGE": runner.package, "OPENS": opens, "RUNS": runs}
    text = CODE
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text

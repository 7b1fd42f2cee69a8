"""The README of a folder for a hub: the run's model card, with the code that loads the folder and asks it."""

from __future__ import annotations

import re
from pathlib import Path

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.geometry import CROP_PART

FRONT = "---\nlibrary_name: sightx\npipeline_tag: image-classification\ntags:\n- image-classification\n- sightx\n---\n"
"""What a hub reads, where the run has no card."""
USE = "\n## How to use it\n"
WHOLE_REPORT = re.compile(r"\nThe whole report, .*`metrics\.json`\.\n")

SIDES = {
    "crop": f"size / {CROP_PART}",
    "pad": "size * min(image.size) / max(image.size)",
    "squash": "size",
}
"""The shorter side that each fit needs: a JPEG is decoded at a fraction that still has it, as in training."""

VIEWS = {
    "crop": f"""\
side = {CROP_PART} * min(image.size)  # the middle, cut out and resized in one step
left, top = (image.width - side) / 2, (image.height - side) / 2
view = image.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side), reducing_gap=2)
""",
    "pad": """\
longest = max(image.size)  # the whole image, black beside it
(x0, x1), (y0, y1) = (
    (round((longest - side) / 2 * size / longest), round((longest + side) / 2 * size / longest)) for side in image.size
)
view = Image.new("RGB", (size, size))
view.paste(image.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC, reducing_gap=2), (x0, y0))
""",
    "squash": """\
view = image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2)  # both sides to one length
""",
}
"""The plain view of an 8-bit image by each fit, as `data.geometry` makes it."""

LOADS = {
    False: """\
import timm

known = {**config["pretrained_cfg"], "file": str(folder / "model.safetensors")}
model = timm.create_model(
    config["architecture"],
    pretrained=True,
    num_classes=config["num_classes"],
    pretrained_cfg_overlay=known,
    **config["model_args"],
).eval()
""",
    True: """\
import sys

sys.path.append(str(folder))
known = config["pretrained_cfg"]
from classifier import load_tapped

model = load_tapped(folder)
""",
}


def write_timm_card(card: Path, facts: BundleFacts, why_tapped: str, path: Path) -> None:
    """Write the README of a folder of its run's model card, or of the facts alone where the run has none."""
    try:
        text = card.read_text(encoding="utf-8")
    except OSError:
        text = f"{FRONT}\n# {facts.backbone}\n\n- classes: {', '.join(facts.task.classes)}\n{USE}"
    library = "pytorch" if why_tapped else "timm"
    text = text.replace("library_name: sightx\n", f"library_name: {library}\n", 1)
    text = WHOLE_REPORT.sub("\nThe report with all figures and pictures stays in the folder of the run.\n", text, 1)
    body = text.partition(USE)[0].rstrip()
    path.write_text(f"{body}\n{USE}\n{describe_use(facts, why_tapped)}", encoding="utf-8")


def describe_use(facts: BundleFacts, why_tapped: str) -> str:
    """Say how the folder is loaded and asked."""
    if why_tapped:
        how = (
            f"timm alone cannot load this classifier: {why_tapped}. `classifier.py`, beside the weights, does\n"
            "(`pip install timm pillow`)."
        )
    else:
        how = (
            "The weights are those of a timm network with its own classifier: `timm.create_model` loads them as\n"
            '`"local-dir:FOLDER"` (timm 1.0.16 and later) or, once the folder was pushed to a hub, as\n'
            '`"hf-hub:OWNER/NAME"`. The code works with any version (`pip install timm pillow`).'
        )
    return f"{how}\n\n```python\n{write_loading_code(facts, bool(why_tapped))}```\n\n{describe_limits(facts)}"


def write_loading_code(facts: BundleFacts, is_tapped: bool) -> str:
    """Write code that loads the folder it runs in, and asks about `image.jpg`."""
    return f"""\
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

folder = Path(".")
config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
size, temperature = config["sightx"]["size_px"], config["sightx"]["temperature"]
{LOADS[is_tapped]}
image = Image.open("image.jpg")
side = int(np.ceil({SIDES[facts.fit]}))
image.draft(None, (side, side))  # a JPEG is decoded no larger than it needs to be, as in training
image = ImageOps.exif_transpose(image).convert("RGB")
{VIEWS[facts.fit]}
pixels = torch.from_numpy(np.array(view)).permute(2, 0, 1).float() / 255
mean, std = (torch.tensor(known[key]).view(3, 1, 1) for key in ("mean", "std"))
with torch.inference_mode():
    logits = model(((pixels - mean) / std)[None])
probabilities = (logits / temperature).{facts.task.torch_method}[0].tolist()
print(dict(zip(config["label_names"], probabilities)))
"""


def describe_limits(facts: BundleFacts) -> str:
    """Say what the folder leaves out of what the run knows."""
    lines = ["- The code reads opaque 8-bit images; `sightx predict` alone reads all others as the training did."]
    if facts.task.list_thresholds():
        lines.append("- A label is given from its threshold on: `thresholds` under `sightx` in `config.json`.")
    if facts.fit == "pad":
        lines.append("- This model knows black beside the image; timm's own transform puts a mean colour there.")
    if facts.sets is not None or facts.familiarity is not None:
        lines.append("- `sightx predict` alone tells which answers are unsure, and which images are unfamiliar.")
    return "\n".join(lines) + "\n"

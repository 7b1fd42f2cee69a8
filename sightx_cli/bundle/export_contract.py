"""The contract beside an export: exactly what goes in, what comes out, and how an answer is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.bundle.chosen_threshold import ROUNDING, decides_class
from sightx_cli.bundle.exporter import ModelFile
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.geometry import CROP_PART, PAD_COLOUR
from sightx_cli.data.readers.pillow_file import MAX_PIXELS
from sightx_cli.model.packaged import digest_weights
from sightx_cli.task.thresholds import DEFAULT_THRESHOLD

CONTRACT_VERSION = 1
READ = ("JPEG", "MPO", "PNG", "BMP", "GIF", "WEBP")
"""Pillow's names of the formats that the code beside reads as training did; of others it cannot tell deep values."""
UNSURE_RULE = (
    "unsure where a class that is not given reaches its floor in has, or 1 minus the probability of one that is given "
    "reaches its floor in has_not"
)
NEVER = 2.0
"""A floor that no probability reaches."""
EDGES_MEAN = (
    "with one_label, an image is given the class whose probability lies highest above its edge; else each label whose "
    "probability reaches its edge"
)


def build_contract(facts: BundleFacts, models: Sequence[ModelFile], folder: Path) -> dict[str, Any]:
    """Build the contract of the model files that lie in a folder: plain values, as `contract.json` holds them."""
    return {
        "contract": CONTRACT_VERSION,
        "models": [describe_model(facts, one) for one in models if (folder / one.name).is_file()],
        "image": describe_image(facts),
        "reads": describe_reading(facts),
        "task": facts.task.kind,
        "activation": facts.task.activation,
        "classes": list(facts.task.classes),
        "one_label": is_one_label(facts),
        "edges": list_edges(facts),
        "edges_mean": EDGES_MEAN,
        "temperature": facts.temperature,
        "decision": None if facts.decision is None else asdict(facts.decision),
        "unsure": describe_unsure(facts),
        "unfamiliar": describe_unfamiliar(facts, models),
        "model_sha256": facts.files,
    }


def is_one_label(facts: BundleFacts) -> bool:
    """Whether each image is given one class, rather than any number of labels."""
    return facts.task.activation == "softmax"


def list_edges(facts: BundleFacts) -> dict[str, float]:
    """List what each class's probability is held against (see EDGES_MEAN): zeros where the likeliest class is given."""
    classes, decision = facts.task.classes, facts.decision
    if not is_one_label(facts):
        chosen = facts.task.list_thresholds() or dict.fromkeys(classes, DEFAULT_THRESHOLD)
        return {name: float(np.float32(edge)) for name, edge in chosen.items()}  # as decisions compare them
    if decision is None or not decides_class(decision, facts.task):
        return dict.fromkeys(classes, 0.0)
    edge = decision.threshold - ROUNDING
    return {name: edge if name in decision.positive else 1 - edge for name in classes}


def describe_model(facts: BundleFacts, model: ModelFile) -> dict[str, Any]:
    """Describe what one file takes and gives."""
    size, channels_last = facts.size_px, model.layout.endswith("C")
    shapes = {"views": ["N", size, size, 3] if channels_last else ["N", 3, size, size], "any size": ["H", "W", 3]}
    return {
        "file": model.name,
        "takes": model.takes,
        "input": {
            "name": model.input,
            "layout": model.layout,
            "dtype": model.dtype,
            "shape": shapes[model.takes],
            "colour": "RGB",
            "normalised_inside": model.normalises,
        },
        "output": {
            "name": model.output,
            "gives": model.gives,
            "temperature_inside": model.gives == "probabilities",
            "shape": ["N", facts.task.outputs] if model.takes == "views" else [1, facts.task.outputs],
        },
        "distance": model.distance or None if facts.familiarity else None,
    }


def describe_image(facts: BundleFacts) -> dict[str, Any]:
    """Describe how an upright RGB image becomes a plain view."""
    return {
        "size_px": facts.size_px,
        "fit": facts.fit,
        "crop_part": CROP_PART if facts.fit == "crop" else None,
        "pad_colour": list(PAD_COLOUR) if facts.fit == "pad" else None,
        "resize": "Pillow's BICUBIC of the window in one step (box=window, reducing_gap=2), after draft mode for JPEG",
        "orientation": "upright by EXIF",
        "alpha": "over white, but ignored where all is opaque or fewer than a thousandth of the pixels can be seen",
        "mean": list(facts.mean),
        "std": list(facts.std),
        "scale": "mean and std are of values from 0 to 1",
    }


def describe_reading(facts: BundleFacts) -> dict[str, Any]:
    """Describe which files the code beside can read as training did, and what it has to refuse."""
    refused = [
        "more than 8 bits a channel, which SightX scales over a range",
        "more than 128,000,000 pixels",
        f"formats other than {', '.join(READ)}",
    ]
    options = asdict(facts.reading)
    changed = {name: value for name, value in options.items() if value not in (None, (), False)}
    asked = {name: changed[name] for name in ("page", "bands") if name in changed}
    return {
        "formats": [] if asked else list(READ),
        "refused": [f"any file, for the training read them with {', '.join(f'image.{name}' for name in asked)}"]
        if asked
        else refused,
        "most_pixels": MAX_PIXELS,
        "options": options,
    }


def describe_unsure(facts: BundleFacts) -> dict[str, Any] | None:
    """Describe when an answer is unsure; None where nothing was measured to tell it by."""
    if facts.sets is None:
        return None
    floors = facts.sets.floors[f"{facts.sets.level:g}"]
    classes, has_not = facts.task.classes, floors[facts.task.outputs :] or (NEVER,) * facts.task.outputs
    return {
        "level": facts.sets.level,
        "rule": UNSURE_RULE,
        "has": dict(zip(classes, floors, strict=False)),
        "has_not": dict(zip(classes, has_not, strict=True)),
    }


def describe_unfamiliar(facts: BundleFacts, models: Sequence[ModelFile]) -> dict[str, Any] | None:
    """Describe when an image is unfamiliar; None where nothing tells it, or no file gives the distance."""
    outputs = {model.distance for model in models if model.distance}
    if facts.familiarity is None or not outputs:
        return None
    return {
        "output": outputs.pop(),
        "limit": facts.familiarity.limit,
        "rule": "unfamiliar where the output is above the limit, however sure the probabilities are",
    }


def digest_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the size and the SHA-256 of each file in a folder, by its name relative to it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": digest_weights(file)}
        for file in files
    }

"""Plants a sign that alone makes the class, fits, and measures whether the heatmaps lie on it.

    .venv/bin/python benchmarks/heatmaps.py [--data ../shared/data/hymenoptera] [--recipe NAME] [--set KEY=VALUE]

Every photograph stands in both classes: as it is, and with a bright cross somewhere in it. Of the valid images with the
cross that are recognised: the share of what speaks for the class that lies in the cross's box, enlarged by a cell of
the last map, against the box's share of what the network sees; and how often the strongest place does. Then weights are
made random from the head down: the correlation of the maps with those before must fall. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sightx_cli.bundle.explainer import Explainer, load_explainer
from sightx_cli.bundle.predictor import load_predictor

SIDE = 0.16
"""The side of the cross, as a share of the photograph's shorter side."""
CELL_PX = 32
"""A cell of the last map, in pixels of the network's input."""
Box = tuple[int, int, int, int]


def plant(source: Path, root: Path, seed: int) -> dict[Path, Box]:
    """Write every photograph twice, plain and with a cross; returns where the crosses of the valid part lie."""
    chance, boxes = random.Random(seed), {}
    for file in sorted(source.rglob("*.jpg")):
        part = file.relative_to(source).parts[0]
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        for kind in ("plain", "cross"):
            target = root / part / kind / f"{file.parent.name}-{file.stem}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            if kind == "cross":
                box = draw_cross(image, chance)
                if part == "valid":
                    boxes[target] = box
            image.save(target)
    return boxes


def draw_cross(image: Image.Image, chance: random.Random) -> Box:
    """Draw a white cross with a dark rim within the crop that the network sees."""
    width, height = image.size
    short = min(width, height)
    side = round(short * SIDE)
    left, top = (round((all_ - short) / 2 + short * chance.uniform(0.08, 0.92 - SIDE)) for all_ in (width, height))
    draw, arm = ImageDraw.Draw(image), side // 3
    for grown, colour in ((2, "black"), (0, "white")):
        low, high = arm - grown, 2 * arm + grown
        draw.rectangle((left - grown, top + low, left + side + grown, top + high), fill=colour)
        draw.rectangle((left + low, top - grown, left + high, top + side + grown), fill=colour)
        draw.rectangle((left, top + arm, left + side, top + 2 * arm), fill=colour)
    return left, top, left + side, top + side


def measure(run: Path, boxes: dict[Path, Box]) -> dict[str, Any]:
    """Measure where the maps of the recognised crosses lie."""
    explainer, predictor = load_explainer(run), load_predictor(run)
    facts = explainer.facts
    shares, areas, hits, covered = [], [], [], []
    for (file, box), found in zip(boxes.items(), predictor.predict((f.name, str(f)) for f in boxes), strict=True):
        if found.probabilities is None or facts.task.name_classes(found.probabilities) != ("cross",):
            continue
        with Image.open(file) as image:
            size = image.size
        [heatmap] = explainer.explain(file, ["cross"])
        placed = heatmap.place(size)
        seen, inside = ~np.isnan(placed), np.zeros(placed.shape, bool)
        cell = CELL_PX / facts.size_px * {"crop": min(size) * 0.875, "pad": max(size)}.get(facts.fit, max(size))
        left, top, right, bottom = (round(edge + sign * cell) for edge, sign in zip(box, (-1, -1, 1, 1), strict=True))
        inside[max(top, 0) : bottom, max(left, 0) : right] = True
        speaks_for = np.where(seen, placed, 0).clip(0)
        shares.append(speaks_for[inside].sum() / speaks_for.sum())
        areas.append((inside & seen).sum() / seen.sum())
        hits.append(bool(inside.flat[speaks_for.argmax()]))
        covered.append(heatmap.covered)
    return {
        "recognised": len(shares),
        "share_of_map_in_box": round(float(np.mean(shares)), 3),
        "share_of_area": round(float(np.mean(areas)), 3),
        "strongest_place_in_box": round(float(np.mean(hits)), 3),
        "covered": round(float(np.mean(covered)), 3),
        "correlation_as_weights_become_random": randomise(explainer, list(boxes)[:10]),
    }


def randomise(explainer: Explainer, files: list[Path]) -> list[float]:
    """Make weights random from the head down and return the mean correlation with the maps before, after each stage."""
    import torch

    torch.manual_seed(0)
    backbone: Any = explainer.model[0]
    before, alike = [explainer.explain(file, ["cross"])[0].square.ravel() for file in files], []
    named = dict(backbone.named_parameters())
    for parameters in (list(explainer.model[1].parameters()), *(
        [named[f"network.{name}"] for name in stage.parameters] for stage in reversed(backbone.stages)
    )):  # fmt: skip
        for parameter in parameters:
            parameter.data = parameter.data.flatten()[torch.randperm(parameter.numel())].view_as(parameter)
        after = [explainer.explain(file, ["cross"])[0].square.ravel() for file in files]
        alike.append(float(np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(before, after, strict=True)])))
    return [round(one, 3) for one in alike]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--data", type=Path, default=here.parent.parent / "shared" / "data" / "hymenoptera")
    parser.add_argument("--recipe", default="natural-small")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        boxes = plant(options.data, root / "planted", options.seed)
        command = [sys.executable, "-m", "sightx_cli", "fit", str(root / "planted"), "--out", str(root / "run")]
        command += ["--recipe", options.recipe, "--json", "--quiet", *(f"--set={one}" for one in options.set)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, cwd=root).stdout
        figures = {"recipe": options.recipe, "accuracy": round(json.loads(answer)["metrics"]["accuracy"], 3)}
        print(json.dumps(figures | measure(root / "run", boxes), indent=2))


if __name__ == "__main__":
    main()

"""Heatmaps beside the pictures of a report: where the score of the class that the model named comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from sightx_cli.progress import Listener
from sightx_cli.report.heatmap_picture import colour_map

MISTAKES, LEAST_SURE = 8, 4
"""How many of the worst mistakes, and of the least sure, have a heatmap: each takes a pass through the network."""

Heatmaps = Callable[[Sequence[tuple[str, str]], Mapping[str, Image.Image]], Mapping[str, Image.Image]]
"""Gives, for names of images with a class each, and small pictures by name, the picture with the map over it."""


def list_wanted(pictures: Mapping[str, Any], separator: str) -> list[tuple[str, str]]:
    """List the images to draw a heatmap of, each with the class that the model named; the first of several labels."""
    shown = [*pictures.get("worst", ())[:MISTAKES], *pictures.get("least_sure", ())[:LEAST_SURE]]
    named = {one["image"]: one["prediction"] for one in shown}
    if separator:
        named = {image: said.split(separator)[0] for image, said in named.items()}
    return [(image, said) for image, said in named.items() if said]


def plan_heatmaps(run: Path, images: Mapping[str, str], listener: Listener) -> Heatmaps:
    """Return what draws heatmaps by a run of images whose files are given by name.

    Where the network cannot be explained that is a warning, and the report has none.
    """

    def draw(wanted: Sequence[tuple[str, str]], tiles: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        from sightx_cli.bundle.explainer import load_explainer

        drawn: dict[str, Image.Image] = {}
        try:
            explainer = load_explainer(run) if wanted else None
            for name, said in wanted:
                if explainer is not None and name in tiles:
                    heatmap = explainer.explain(images[name], [said])[0]
                    drawn[name] = colour_map(tiles[name], heatmap.place(tiles[name].size))
        except Exception as error:  # of any kind: a report without heatmaps is better than none
            listener.warn(f"heatmaps could not be drawn ({type(error).__name__}: {error}); the report has none")
        return drawn

    return draw

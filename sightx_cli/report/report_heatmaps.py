"""Heatmaps beside the pictures of a report: where the score of the class that the model named comes from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from sightx_cli.progress import Listener
from sightx_cli.report.heatmap_picture import colour_map

if TYPE_CHECKING:
    from sightx_cli.bundle.explainer import Explainer

MISTAKES, LEAST_SURE = 8, 4
"""How many of the worst mistakes, and of the least sure, have a heatmap at most."""
FIT_SECONDS, EVALUATION_SECONDS = 2.0, 4.0
"""When so long was drawn, the rest has none: each takes a pass through the network, of up to a second."""

Heatmaps = Callable[[Sequence[tuple[str, str]], Mapping[str, Image.Image]], Mapping[str, Image.Image]]
"""Gives, for names of images with a class each, and small pictures by name, the picture with the map over it."""


def list_wanted(pictures: Mapping[str, Any], separator: str) -> list[tuple[str, str]]:
    """List the images to draw a heatmap of, each with the class that the model named; the first of several labels."""
    shown = [*pictures.get("worst", ())[:MISTAKES], *pictures.get("least_sure", ())[:LEAST_SURE]]
    named = {one["image"]: one["prediction"] for one in shown}
    if separator:
        named = {image: said.split(separator)[0] for image, said in named.items()}
    return [(image, said) for image, said in named.items() if said]


def plan_heatmaps(
    load: Callable[[], Explainer], images: Mapping[str, str], most_seconds: float, listener: Listener
) -> Heatmaps:
    """Return what draws heatmaps of images whose files are given by name; `load` gives the model that explains.

    The worst come first, at least one, until `most_seconds` have passed. Where the network cannot be explained that is
    a warning, and the report has none.
    """

    def draw(wanted: Sequence[tuple[str, str]], tiles: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        drawn: dict[str, Image.Image] = {}
        try:
            explainer = load() if wanted else None
            began = time.perf_counter()
            for name, said in wanted:
                if explainer is None or time.perf_counter() - began > most_seconds:
                    break
                if name in tiles:
                    heatmap = explainer.explain(images[name], [said])[0]
                    drawn[name] = colour_map(tiles[name], heatmap.place(tiles[name].size))
        except Exception as error:  # of any kind: a report without heatmaps is better than none
            listener.warn(f"heatmaps could not be drawn ({type(error).__name__}: {error}); the report has none")
        return drawn

    return draw

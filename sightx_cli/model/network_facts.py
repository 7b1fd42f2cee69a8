"""What a network holds and costs, without its classifier and without its weights: counted on torch's meta device."""

from __future__ import annotations

from dataclasses import dataclass

from sightx_cli.model.bare_recipe import build_audited_recipe
from sightx_cli.model.classifier import build_untrained
from sightx_cli.model.cost import measure_cost


@dataclass(frozen=True)
class NetworkFacts:
    """A backbone's size and cost for one image of `size_px`."""

    size_px: int
    parameters: int
    macs: int
    features: int
    stages: int
    can_be_cut: bool


def measure_network(name: str, size_px: int | None = None) -> NetworkFacts:
    """Count a timm network at a size, by default the one that it was made for.

    Raises ModelError for a name that timm does not know, and whatever timm raises of a network that it cannot build.
    """
    recipe = build_audited_recipe(None, name, () if size_px is None else (f"image.size_px={size_px}",))
    cost = measure_cost(build_untrained(recipe, 2, shapes_only=True), recipe.image.size_px)
    *stages, head = cost.stages
    return NetworkFacts(
        recipe.image.size_px,
        cost.total - head.parameters,
        cost.macs - head.macs,
        cost.features,
        len(stages),
        cost.can_be_cut,
    )

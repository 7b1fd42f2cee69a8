"""Heatmaps from a bundle: where in an image the score of a class comes from, in the image's own geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts, check_bundled, load_facts
from sightx_cli.data.geometry import place_square
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.spellings import match_class
from sightx_cli.errors import UsageError, quote
from sightx_cli.recipe.names import find_nearest

if TYPE_CHECKING:
    from torch import nn

    from sightx_cli.model.score_map import ScoreMap


@dataclass(frozen=True)
class Heatmap:
    """What each place of an image adds to the score of one class, held against the average training image."""

    class_name: str
    square: NDArray[np.float32]
    """(S, S), in the geometry of the network's input: its sum is what is shown of the score. Above 0 speaks for it."""
    fit: str
    score: float
    """How far the class's logit lies above the mean of the others, more than it does for the average training image."""
    covered: float
    """The share of what moves the score, in either direction, that the map shows, 0 to 1."""
    is_exact: bool
    """Whether each place has exactly what it adds, rather than an estimate by gradients."""
    has_average: bool = True
    """Whether zero is the average training image; else one of which no feature is found (nothing was measured before
    training, as from scratch)."""
    networks: int = 1
    """How many networks side by side the map adds up: each reads the same image on a grid of its own."""

    def place(self, image_size: tuple[int, int]) -> NDArray[np.float32]:
        """Lay the map over the upright image of (width, height) pixels, or the same image at another size.

        Returns (height, width), NaN where the network does not see the image (the rim that `crop` cuts off).
        """
        return place_square(self.square, image_size, self.fit)


@dataclass(frozen=True)
class Explainer:
    """A bundle's classifier in torch, ready to say where its scores come from."""

    facts: BundleFacts
    model: nn.Sequential
    device: str = "cpu"

    def check_class(self, name: str) -> str:
        """Return the class of this name, in whatever spelling; raises UsageError where the model knows none."""
        known = self.facts.task.classes
        if (found := match_class(name, known)) is not None:
            return found
        shown = ", ".join(known[:8]) + (f" and {len(known) - 8:,} more" if len(known) > 8 else "")
        nearest = find_nearest(name, known) or known[0]
        raise UsageError(f"--class {name}: this model knows {shown}", f"--class {quote(nearest)}")

    def explain(self, path: str | Path, classes: Sequence[str]) -> list[Heatmap]:
        """Say where in an image the score of each of these classes comes from; it is read as in training.

        Raises `ImageFileError` or OSError where the file cannot be read.
        """
        pixels, _ = read_plain_view(path, self.facts.size_px, self.facts.fit, self.facts.reading)
        return self.explain_view(pixels, classes)

    def explain_view(self, pixels: NDArray[np.uint8], classes: Sequence[str]) -> list[Heatmap]:
        """Do the same for the plain view of an image, (S, S, 3) uint8."""
        import torch

        from sightx_cli.engine.torch_forward import using_one_thread
        from sightx_cli.model.score_map import collect_maps, map_score

        mean, std = (torch.tensor(part).view(1, 3, 1, 1) * 255 for part in (self.facts.mean, self.facts.std))
        image = ((torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() - mean) / std).to(self.device)
        weights = [torch.from_numpy(self.facts.task.weigh_logits(name)).to(self.device) for name in classes]
        with using_one_thread():
            maps = collect_maps(self.model[0], image)  # type: ignore[arg-type]  # the backbone, in a Sequential
            found = [map_score(self.model, maps, one) for one in weights]
        return [self._build(name, one, len(maps)) for name, one in zip(classes, found, strict=True)]

    def _build(self, name: str, found: ScoreMap, networks: int) -> Heatmap:
        square: NDArray[Any] = found.places.cpu().numpy()
        known = found.score, found.covered, found.is_exact, found.has_average
        return Heatmap(name, square, self.facts.fit, *known, networks)


def load_explainer(run: Path, device: str = "cpu") -> Explainer:
    """Load the weights of a run's bundle for torch, on a device. Raises RunError where they are missing or damaged."""
    from sightx_cli.model.classifier import load_classifier

    facts = load_facts(run)
    check_bundled(run, facts, runs.BUNDLE_WEIGHTS)
    weights = run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    model = load_classifier(facts.backbone, facts.head, facts.task.outputs, facts.size_px, weights, facts.grey)
    return Explainer(facts, model.requires_grad_(requires_grad=False).to(device), device)

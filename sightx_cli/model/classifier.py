"""The classifier: a backbone and a head, paired as in fastai's `vision_learner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sightx_cli.engine.interface import FROZEN, PROBABILITIES
from sightx_cli.errors import RunError
from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.combined_backbone import assemble_backbone
from sightx_cli.model.grey import make_grey
from sightx_cli.model.head import build_head
from sightx_cli.model.tail import drop_behind_map
from sightx_cli.model.weights import Weights, find_weights, load_weights
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import change_setting


def build_backbone(recipe: Recipe, weights_file: WeightsFile | None = None) -> tuple[Backbone, Weights]:
    """Build the recipe's backbone with the first weights available (see `model.weights` for the order)."""
    head, size_px = recipe.model.head, recipe.image.size_px
    network = build_network(recipe.model.backbone, size_px)
    if head.pool == "flatten":
        drop_behind_map(network, size_px)
    scratch = recipe.model.weights == "scratch" and weights_file is None
    weights = find_weights(recipe.model.backbone, network, weights_file, scratch)
    load_weights(network, weights)
    if recipe.model.grey is not None:
        make_grey(network, recipe.model.grey, weights.mean, weights.std)
    backbone = assemble_backbone(network, head.taps, head.pool, size_px)
    return backbone.eval(), weights


def build_bare_backbone(recipe: Recipe, mean: Sequence[float], std: Sequence[float]) -> Backbone:
    """Build the recipe's backbone with random weights that a trained one's are to replace; none are searched for."""
    head, size_px = recipe.model.head, recipe.image.size_px
    network = build_network(recipe.model.backbone, size_px)
    if head.pool == "flatten":
        drop_behind_map(network, size_px)
    if recipe.model.grey is not None:
        make_grey(network, recipe.model.grey, mean, std)
    return assemble_backbone(network, head.taps, head.pool, size_px)


def build_classifier(backbone: Backbone, recipe: Recipe, classes: int) -> nn.Sequential:
    """Pair a backbone with a fresh head: index 0 and 1 of the sequence, fastai's convention."""
    head = build_head(backbone.feature_count, classes, recipe.model.head.hidden, recipe.model.head.dropout)
    return nn.Sequential(backbone, head)


def build_untrained(recipe: Recipe, classes: int, shapes_only: bool = False) -> nn.Sequential:
    """Build the recipe's classifier with random weights, for counting parameters: no weights are searched for.

    With `shapes_only` it is on torch's meta device, which stores and computes no numbers.
    """
    random = change_setting(recipe, "model.weights", "scratch")
    with torch.device("meta") if shapes_only else nullcontext():
        backbone, _ = build_backbone(random)
        return build_classifier(backbone, random, classes).eval()


class FrozenShown(nn.Module):
    """A classifier that gives probabilities (N, C), and pooled features (N, F) of its first stages.

    Of all stages these are the network's own pooled output; of fewer the mean and the deviation of the map behind them.
    """

    def __init__(self, model: nn.Sequential, activation: nn.Module, stages: int) -> None:
        super().__init__()
        self.model, self.activation, self.stages = model, activation, stages

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return both for normalised images (N, 3, H, W)."""
        backbone: Backbone = self.model[0]  # type: ignore[assignment]
        last = len(backbone.stages)
        features, taps = backbone.run_stages(images, 0, self.stages)
        frozen = None if self.stages == last else backbone.pool_stage(features, self.stages - 1)
        rest = backbone.finish(features, self.stages)
        probabilities = self.activation(self.model[1](torch.cat([*taps, *rest], dim=1)))
        return probabilities, rest[-1] if frozen is None else frozen


def complete_classifier(
    model: nn.Sequential, activation: nn.Module, frozen_stages: int = 0
) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the classifier, on the CPU, as it predicts, and the names of its outputs.

    It gives probabilities (N, C) in place of logits, and the features of its frozen stages where it has any.
    """
    plain = model.cpu().eval()
    if not frozen_stages:
        return nn.Sequential(plain, activation), (PROBABILITIES,)
    return FrozenShown(plain, activation, frozen_stages), (PROBABILITIES, FROZEN)


def load_classifier(
    backbone_name: str, head: Mapping[str, Any], classes: int, size_px: int, file: Path, grey: str | None = None
) -> nn.Sequential:
    """Rebuild a trained classifier from its weights (safetensors); raises RunError when they do not fit it."""
    network = build_network(backbone_name, size_px)
    if head["pool"] == "flatten":
        drop_behind_map(network, size_px)
    if grey is not None:
        make_grey(network, grey, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # the file holds the converted stem
    backbone = assemble_backbone(network, head["taps"], head["pool"], size_px)
    model = nn.Sequential(
        backbone, build_head(backbone.feature_count, classes, tuple(head["hidden"]), float(head["dropout"]))
    )
    try:
        model.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(f"{file}: cannot be read", "fit again, or give another run") from error
    return model.eval()

"""The check before any training: a random image through backbone and head must give finite logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone

SEED = 0


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation, and every module back into its own mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@torch.no_grad()
def check_forward(model: nn.Sequential, classes: int, size_px: int, weights: str, images: int = 1) -> tuple[int, ...]:
    """Run random images (N, 3, S, S) through a classifier and return the shape of its logits, (N, classes).

    A generator of its own leaves every other random number as it was. `weights` says where the network's weights come
    from, for the error.

    Raises ModelError when the logits have another shape, or hold a number that is not finite: then it names the stage
    behind which such numbers appear first.
    """
    batch = torch.randn(images, 3, size_px, size_px, generator=torch.Generator().manual_seed(SEED))
    with evaluating(model):
        logits: Tensor = model(batch)
        if tuple(logits.shape) != (images, classes):
            raise ModelError(
                f"a random image gave outputs of shape {tuple(logits.shape)}, where ({images}, {classes}) was due",
                "name another network with --backbone",
            )
        if not bool(logits.isfinite().all()):
            bad = int((~logits.isfinite()).sum())
            raise ModelError(
                f"{weights}: a random image gave {bad} of {logits.numel()} logits that are not finite, "
                f"{_find_first(model, batch)}",
                "bring a whole file of weights with --weights FILE, or name another network with --backbone",
            )
    return tuple(logits.shape)


def _find_first(model: nn.Sequential, batch: Tensor) -> str:
    """Say behind which stage the first number that is not finite appears."""
    backbone, features = model[0], batch
    assert isinstance(backbone, Backbone)
    for position, stage in enumerate(backbone.stages):
        features, _ = backbone.run_stages(features, position, position + 1)
        if not bool(features.isfinite().all()):
            return f"first behind {stage.name}" if backbone.can_be_cut else "first in the backbone"
    return "first in the head"

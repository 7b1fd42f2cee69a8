"""The check before any training: a random image through backbone and head must give finite logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sightx_cli.engine.torch_forward import using_few_threads
from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone

SEED = 0


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and restore every module's mode afterwards."""
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

    A separate generator leaves the global random state unchanged. `weights` says where the network's weights come
    from, for the error.

    Raises ModelError when the logits have a wrong shape, or are not finite: then it names the stage
    after which such values first appear.
    """
    batch = torch.randn(images, 3, size_px, size_px, generator=torch.Generator().manual_seed(SEED))
    with evaluating(model), using_few_threads(model, size_px):
        logits: Tensor = model(batch)
        if tuple(logits.shape) != (images, classes):
            raise ModelError(
                f"a random image gave outputs of shape {tuple(logits.shape)} instead of ({images}, {classes})",
                "choose another network with --backbone",
            )
        if not bool(logits.isfinite().all()):
            bad = int((~logits.isfinite()).sum())
            raise ModelError(
                f"{weights}: a random image gave {bad} of {logits.numel()} logits that are not finite, "
                f"{_find_first(model, batch)}",
                "give an intact weights file with --weights FILE, or choose another network with --backbone",
            )
    return tuple(logits.shape)


def _find_first(model: nn.Sequential, batch: Tensor) -> str:
    """Say after which stage the first value that is not finite appears."""
    backbone, features = model[0], batch
    assert isinstance(backbone, Backbone)
    for position, stage in enumerate(backbone.stages):
        features, _ = backbone.run_stages(features, position, position + 1)
        if not bool(features.isfinite().all()):
            return f"first after {stage.name}" if backbone.can_be_cut else "first in the backbone"
    return "first in the head"

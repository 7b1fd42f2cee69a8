"""The network and head of a finished run, to train on: its backbone as it is, its head's rows by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sightx_cli.errors import RunError, UsageError
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.classifier import build_bare_backbone
from sightx_cli.model.weights import Weights
from sightx_cli.recipe.recipe import Recipe

BACKBONE, HEAD = "0.", "1."
"""What the names of a bundle's tensors begin with: fastai's convention of the classifier's two parts."""


@dataclass(frozen=True)
class RunWeights:
    """Where a finished run's weights lie, and what is to be known of them beside."""

    file: Path
    digest: str
    """What identifies its backbone: the digest of the pretrained weights where it was not trained, so that features
    which are cached of those are found; else that of the run's own file."""
    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_run_backbone(recipe: Recipe, run: RunWeights) -> tuple[Backbone, Weights, dict[str, Tensor]]:
    """Build the recipe's backbone with a run's weights; returns it with their origin and the tensors of the head.

    Raises RunError where the file cannot be read, and UsageError where the recipe's network has another shape.
    """
    try:
        tensors = load_file(run.file)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{run.file}: cannot be read", "fit again, or name another run") from error
    backbone = build_bare_backbone(recipe, run.mean, run.std)
    own = {name.removeprefix(BACKBONE): tensor for name, tensor in tensors.items() if name.startswith(BACKBONE)}
    _check_shapes(own, backbone.state_dict(), recipe.image.size_px)
    backbone.load_state_dict(own)
    head = {name.removeprefix(HEAD): tensor for name, tensor in tensors.items() if name.startswith(HEAD)}
    origin = f"run {run.file.parent.parent}"
    return backbone.eval(), Weights(origin, run.digest, run.mean, run.std, None, "run"), head


def fill_head(head: nn.Sequential, tensors: Mapping[str, Tensor], then: Sequence[str], now: Sequence[str]) -> None:
    """Give a fresh head for the classes `now` what a run's head knew of those that stay; rows of new ones stay fresh.

    `tensors` are of a head for the classes `then`: the same but for its last layer's rows. Raises UsageError where it
    is not.
    """
    last = f"{len(head) - 1}."
    own = head.state_dict()
    _check_shapes({k: v for k, v in tensors.items() if not k.startswith(last)}, own, 0, last)
    kept = [(now.index(name), then.index(name)) for name in now if name in then]
    rows = torch.tensor([pair[0] for pair in kept], dtype=torch.long)
    earlier = torch.tensor([pair[1] for pair in kept], dtype=torch.long)
    for name, tensor in tensors.items():
        if name.startswith(last):
            own[name][rows] = tensor[earlier]
        else:
            own[name] = tensor
    head.load_state_dict(own)


def _check_shapes(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], size_px: int, besides: str = "\0") -> None:
    there = {name: tuple(tensor.shape) for name, tensor in found.items()}
    here = {name: tuple(tensor.shape) for name, tensor in wanted.items() if not name.startswith(besides)}
    differing = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    if differing:
        name = differing[0]
        at = f" at {size_px} px" if size_px else ""
        raise UsageError(
            f"--from: the network asked for{at} has {here.get(name, 'no')} as the shape of {name}, the run's weights "
            f"{there.get(name, 'no')}: they do not fit",
            "keep the run's image.size_px and network, or fit without --from",
        )

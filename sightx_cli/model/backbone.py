"""A backbone: a timm network without its classifier, run stage by stage, with taps for multi-scale features."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.engine.interface import FEATURES
from sightx_cli.errors import ModelError
from sightx_cli.model import mini  # noqa: F401 (registers its networks with timm)
from sightx_cli.model.combined_network import CombinedNetwork, is_combined, split_backbone
from sightx_cli.model.grey import read_grey
from sightx_cli.model.image_sizes import create_network, find_name, refusing_size
from sightx_cli.model.moments import pool_map
from sightx_cli.model.stages import StagedNetwork, build_stages
from sightx_cli.model.timm_parts import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, timm

DEFAULT_SIZE_PX = 224
"""For networks whose size timm does not state."""


class Backbone(nn.Module):
    """A timm network whose forward returns the features for the head.

    `forward` takes normalised images (N, 3, H, W) float32 and returns features (N, F): for each tapped stage the mean
    and the deviation over its positions, earliest first, then the network's own pooled output. With `pool="flatten"`
    the last map is flattened instead of pooled.
    """

    def __init__(self, network: Any, taps: str = "last", pool: str = "avg", size_px: int = 224) -> None:
        super().__init__()
        self.network: Any = network
        self.pool = pool
        self.grey = read_grey(network)
        was_training = self.training
        self.eval()
        staged = self.divide(size_px)
        self.stages = staged.stages
        self.why_uncut = staged.why_uncut
        """Why the network runs as one step, which cannot be cut; empty where it runs stage by stage."""
        self.tapped = choose_taps(taps, len(self.stages)) if self.can_be_cut else ()
        self.map_shapes = staged.map_shapes
        """The shape of each stage's output for one image of the size given."""
        self.position_axes = staged.position_axes
        """The axes of the positions in each stage's output: (2, 3), (1, 2) where channels are last, (1,) of tokens."""
        with torch.no_grad():
            self.widths = (*map(self.count_moments, self.tapped), self.pool_last(staged.last).shape[1])
        """The number of features of each tap, the final features last."""
        self.train(was_training)

    def divide(self, size_px: int) -> StagedNetwork:
        """Divide the network into stages."""
        with refusing_size(find_name(self.network), size_px):
            return build_stages(self.network, size_px)

    def count_moments(self, tap: int) -> int:
        """Count the features of a tap: the mean and the deviation of each channel."""
        axes = enumerate(self.map_shapes[tap], 1)
        return 2 * math.prod(length for axis, length in axes if axis not in self.position_axes[tap])

    @property
    def can_be_cut(self) -> bool:
        """Whether the network runs stage by stage."""
        return not self.why_uncut

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The names of the stages, earliest first."""
        return tuple(stage.name for stage in self.stages)

    @property
    def feature_count(self) -> int:
        """The number of features returned by `forward`."""
        return sum(self.widths)

    def list_networks(self, images: Tensor) -> list[tuple[Backbone, Tensor, tuple[int, ...], Tensor]]:
        """List each network, the images as it reads them, the stages tapped, and the columns of its features."""
        return [(self, images, self.tapped, torch.arange(self.feature_count))]

    def list_map_shapes(self, place: int) -> tuple[tuple[int, ...], ...]:
        """List the shapes of the maps behind a stage: one of each network."""
        return (self.map_shapes[place],)

    def run_stages(self, features: Tensor, start: int, stop: int) -> tuple[Tensor, list[Tensor]]:
        """Run stages `start` to `stop` - 1; return the last map and the pooled taps among them."""
        taps = []
        for position in range(start, stop):
            features = self.stages[position].run(features)
            if position in self.tapped:
                taps.append(self.pool_stage(features, position))
        return features, taps

    def pool_stage(self, features: Tensor, place: int) -> Tensor:
        """Return the mean and the deviation over the positions of the map behind a stage, (N, 2C)."""
        return pool_map(features, self.position_axes[place])

    def pool_last(self, features: Tensor) -> Tensor:
        """Pool the last stage's map as the network itself does, or flatten it: (N, F)."""
        if self.pool == "flatten" or features.dim() == 2:
            return features.flatten(1)
        pooled: Tensor = self.network.forward_head(features, pre_logits=True)
        return pooled.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (N, F) of normalised images (N, 3, H, W)."""
        if not self.tapped and self.can_be_cut:
            return self.pool_last(self.network.forward_features(images))  # the same, all at once
        return torch.cat(self.finish(images, 0), dim=1)

    def finish(self, features: Tensor, start: int) -> list[Tensor]:
        """Run the stages from `start` on; return the pooled taps among them, and the pooled last map."""
        last, taps = self.run_stages(features, start, len(self.stages))
        return [*taps, self.pool_last(last)]


class Suffix(nn.Module):
    """The trainable rest of a backbone after a cut: from the cached map and taps to the same features."""

    def __init__(self, backbone: Backbone, cut: int) -> None:
        super().__init__()
        self.cut = cut
        self.backbone = backbone

    def forward(self, kept_map: Tensor, kept_taps: Tensor) -> Tensor:
        """Return features (N, F) from the map at the cut (N, C, H, W) and the frozen taps (N, T), T perhaps 0."""
        return torch.cat([kept_taps, *self.backbone.finish(kept_map, self.cut)], dim=1)


class Prefix(nn.Module):
    """The frozen part before one or more cuts: returns the map at each cut and the pooled features on the way.

    Outputs, in this order: for each cut below the last boundary its map, then its taps (N, T) where it has any; then,
    if `features` is asked for, the features (N, F) of the whole backbone.
    """

    def __init__(self, backbone: Backbone, cuts: Sequence[int], features: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.cuts = tuple(sorted(cuts))
        self.features = features

    def output_names(self) -> tuple[str, ...]:
        """Name each output of `forward`: map_<cut>, taps_<cut>, features."""
        names = []
        for cut in self.cuts:
            names.append(f"map_{cut}")
            if any(tap < cut for tap in self.backbone.tapped):
                names.append(f"taps_{cut}")
        return (*names, FEATURES) if self.features else tuple(names)

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each output for one image, by name, in their order."""
        backbone = self.backbone
        shapes: dict[str, tuple[int, ...]] = {}
        for cut in self.cuts:
            shapes[f"map_{cut}"] = backbone.map_shapes[cut - 1]
            shapes[f"taps_{cut}"] = (sum(backbone.widths[: sum(tap < cut for tap in backbone.tapped)]),)
        shapes[FEATURES] = (backbone.feature_count,)
        return {name: shapes[name] for name in self.output_names()}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs named by `output_names` for normalised images (N, 3, H, W)."""
        outputs: list[Tensor] = []
        taps: list[Tensor] = []
        position, features = 0, images
        for cut in self.cuts:
            features, more = self.backbone.run_stages(features, position, cut)
            taps, position = taps + more, cut
            outputs.append(features)
            if taps:
                outputs.append(torch.cat(taps, dim=1))
        if self.features:
            outputs.append(torch.cat([*taps, *self.backbone.finish(features, position)], dim=1))
        return tuple(outputs)


def choose_taps(taps: str, stages: int) -> tuple[int, ...]:
    """Return the indices of the stages tapped in addition to the final features.

    `last`: none; `all`: every earlier stage; `last:N`: the last output and the N−1 stages before it.
    Raises ModelError when more are requested than there are.
    """
    if taps == "last":
        return ()
    if taps == "all":
        return tuple(range(stages - 1))
    count = int(taps.removeprefix("last:"))
    if not 1 <= count <= stages:
        raise ModelError(
            f'model.head.taps = "last:{count}": the network has {stages} stages',
            f'give "last:N" with N from 1 to {stages}, "last" or "all"',
        )
    return tuple(range(stages - count, stages - 1))


def check_names(names: Sequence[str]) -> None:
    """Raise ModelError, with the nearest valid names, for networks or weights that timm does not know."""
    known = timm.list_models()
    faults: dict[str, tuple[str, str]] = {}
    for name in (one for backbone in names for one in split_backbone(backbone)):
        architecture, _, tag = name.partition(".")
        if architecture not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"the nearest names: {', '.join(near)}" if near else "see timm's list of models"
            faults[name] = (f'backbone "{name}" is not a timm network', hint)
        elif tag and name not in (tagged := timm.list_pretrained(f"{architecture}.*")):
            hint = f"one of {', '.join(tagged)}, or {architecture} alone" if tagged else f"give {architecture} alone"
            faults[name] = (f'backbone "{name}": timm has no weights "{tag}" for {architecture}', hint)
    if len(faults) == 1:
        raise ModelError(*faults.popitem()[1])
    if faults:
        hints = (f"for {name} {hint}" for name, (_, hint) in faults.items())
        raise ModelError("; ".join(fault for fault, _ in faults.values()), "; ".join(hints))


def find_own_size(name: str) -> int:
    """Return the side in pixels that a network's weights, of several the first's, were made for.

    Raises ModelError on an unknown name.
    """
    check_names([name])
    config = timm.get_pretrained_cfg(split_backbone(name)[0])
    return int(config.input_size[-1]) if config is not None and config.input_size else DEFAULT_SIZE_PX


def build_network(name: str, size_px: int) -> nn.Module:
    """Create a timm network, or several side by side, without classifier and without weights.

    Raises ModelError on a name timm does not know, and on a size that the network cannot be made for.
    """
    check_names([name])
    if is_combined(name):
        names = split_backbone(name)
        return CombinedNetwork({one: build_network(one, size_px) for one in names}, [*map(find_normalisation, names)])
    with refusing_size(name, size_px):
        return create_network(name, size_px)


def find_normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and deviation per channel that timm's weights of a network expect, else ImageNet's."""
    config = timm.get_pretrained_cfg(name)
    return (config.mean, config.std) if config else (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)

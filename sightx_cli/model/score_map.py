"""Where in an image a classifier's score comes from: class activation maps, exact where the network allows it.

A head on pooled maps reads means over positions, so what each position adds can be told apart: with a linear head the
map sums to the score (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150).
With hidden layers each feature gets its integrated gradient from the average training image on (Sundararajan et al.
2017, arXiv:1703.01365), which sums to the score too. What the network computes between its last map and the features
(VGG's and MobileNetV3's layers, ConvNeXt's norm, a transformer's attention) is placed by gradient × value, with gates,
norms and attention held fixed so that nothing is lost on the way (Ali et al. 2022, "XAI for Transformers: Better
Explanations through Conservative Propagation", arXiv:2202.07304).

The zero of a map is the average training image: a place above it speaks for the class, one below speaks against it.

Of networks side by side each has maps of its own; all are brought to the grid of the image and added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sightx_cli.model.backbone import Backbone
from sightx_cli.model.head import FeatureScale

STEPS = 32
"""Points on the way from the average image to this one, at which a head with hidden layers is differentiated."""
SAME = 1e-4
"""How far, relative to its largest feature, a pooling may lie from the plain mean and still be taken for it."""


@dataclass(frozen=True)
class ScoreMap:
    """What each place of the network's input adds to a score, (S, S); it sums to `score` where all of it is shown."""

    places: Tensor
    score: float
    """How far the score lies above that of the average training image."""
    covered: float
    """The share of the features' pull on the score, in either direction, that is shown: deviations have no place."""
    is_exact: bool
    """Whether each place has exactly what it adds, rather than an estimate by gradients."""
    has_average: bool
    """Whether zero is the average training image; else one of which no feature is found."""


@dataclass(frozen=True)
class Maps:
    """The maps of one image that a network pools: of each tapped stage, and the last; and what it makes of them.

    A tapped map is (1, C, h, w) or tokens (1, T, C); the last is as the network gives it.
    """

    network: Backbone
    image: Tensor
    """(1, 3, S, S), as the network reads it."""
    tapped: Sequence[Tensor]
    last: Tensor
    features: Tensor
    """What the head reads of this network, (1, F): of each tapped map, and of the last."""
    columns: Tensor
    """Where these features stand among all that the head reads, (F,)."""


@torch.no_grad()
def collect_maps(backbone: Backbone, image: Tensor) -> list[Maps]:
    """Run one normalised image (1, 3, S, S) stage by stage, and keep the maps that are pooled of each network."""
    return [_collect_of(*part) for part in backbone.list_networks(image)]


def _collect_of(network: Backbone, image: Tensor, columns: Tensor) -> Maps:
    tapped, pooled, here = [], [], image
    for place in range(len(network.stages)):
        here, taps = network.run_stages(here, place, place + 1)
        if taps:
            tapped.append(put_channels_first(here, network.position_axes[place]))
            pooled += taps
    features = torch.cat([*pooled, network.pool_last(here)], dim=1)
    return Maps(network, image, tapped, here, features, columns)


def map_score(model: nn.Sequential, maps: Sequence[Maps], weights: Tensor) -> ScoreMap:
    """Map where the score of an image comes from: the sum of its logits, each times its weight (C,).

    `model` is a backbone and a head in evaluation mode, `maps` what was collected of the image.
    """
    head = model[1]
    assert isinstance(head, nn.Sequential)
    average = read_average(head)
    features = torch.zeros_like(average)[None]
    for one in maps:
        features[:, one.columns] = one.features
    slopes = measure_slopes(head, features, average, weights)
    pulls = (slopes * (features - average))[0]
    parts = [_place_network(one, slopes[0, one.columns], average[one.columns]) for one in maps]
    places = torch.stack([part for part, _, _ in parts]).sum(0)
    shown, whole = sum(share for _, share, _ in parts), float(pulls.abs().sum())
    is_exact = all(exact for _, _, exact in parts)
    return ScoreMap(places, float(pulls.sum()), shown / whole if whole else 1.0, is_exact, bool(average.any()))


def _place_network(maps: Maps, slopes: Tensor, average: Tensor) -> tuple[Tensor, float, bool]:
    """Place what the features of one network add, (S, S); and how much pull is shown, and whether that is exact."""
    pulls = slopes * (maps.features[0] - average)
    side = maps.image.shape[-1]
    places, at, shown = maps.image.new_zeros(side, side), 0, 0.0
    for tapped in maps.tapped:
        width = tapped.shape[-1] if tapped.dim() == 3 else tapped.shape[1]
        means = slice(at, at + width)
        part = place_means(maps.network, tapped, slopes[means], average[means])
        places += spread(part, side)
        shown += float(pulls[means].abs().sum())
        at += 2 * width
    part, is_exact = place_last(maps, slopes[at:], average[at:])
    places += spread(part, side)
    return places, shown + float(pulls[at:].abs().sum()), is_exact


def read_average(head: nn.Sequential) -> Tensor:
    """Return the features (F,) of the average training image, by which the head standardises; zeros where it does not.

    They are those of the network before it was tuned: the head keeps its scale.
    """
    scale = head[0]
    assert isinstance(scale, FeatureScale)
    return scale.mean


def measure_slopes(head: nn.Sequential, features: Tensor, average: Tensor, weights: Tensor) -> Tensor:
    """Measure by how much a score rises with each feature, (1, F), on the mean over the way from the average image.

    Times the distance to the average, the slopes sum to the difference of the two scores.
    """
    is_linear = sum(isinstance(layer, nn.Linear) for layer in head) == 1
    steps = 1 if is_linear else STEPS
    shares = (torch.arange(steps, dtype=features.dtype, device=features.device) + 0.5) / steps
    with torch.enable_grad():
        way = (average + shares[:, None] * (features - average)).requires_grad_()
        slopes: Tensor = torch.autograd.grad((head(way) @ weights).sum(), way)[0]
    return slopes.mean(0, keepdim=True)


def place_means(backbone: Backbone, features: Tensor, slopes: Tensor, average: Tensor) -> Tensor:
    """Place what the mean over positions adds: (h, w) of a map (1, C, H, W) or tokens (1, T, C), slopes (C,)."""
    if features.dim() == 3:
        each = ((features[0] - average) * slopes).sum(-1) / features.shape[1]
        return arrange_tokens(backbone, each)
    return ((features[0] - average[:, None, None]) * slopes[:, None, None]).sum(0) / features[0, 0].numel()


def place_last(maps: Maps, slopes: Tensor, average: Tensor) -> tuple[Tensor, bool]:
    """Place what the last map adds, (h, w), and tell whether that is exact.

    It is where the head reads the map itself, or its mean. Elsewhere gradient × value places it, and what that leaves
    (biases, the average image) is spread evenly.
    """
    backbone = maps.network
    axes = backbone.position_axes[-1]
    last = put_channels_first(maps.last, axes)
    if backbone.pool == "flatten" and last.dim() == 4:
        each = ((maps.features[0, -len(slopes) :] - average) * slopes).view(maps.last.shape)
        return arrange(backbone, put_channels_first(each, axes)[0]), True
    pooled = maps.features[:, -len(slopes) :]
    if last.dim() == 4 and last.shape[1] == pooled.shape[1]:
        difference = (pooled - last.mean((2, 3))).abs().max()
        if float(difference) <= SAME * max(1.0, float(pooled.abs().max())):
            return place_means(backbone, last, slopes, average), True
    stop = len(backbone.stages)
    start, values, axes = choose_start(backbone, maps.image, maps.last)
    with torch.enable_grad(), FixedGates():
        values = values.detach().requires_grad_()
        features = backbone.pool_last(backbone.run_stages(values, start, stop)[0])
        rise = torch.autograd.grad((features[0] * slopes).sum(), values)[0]
    part = arrange(backbone, put_channels_first((rise * values).detach(), axes)[0])
    wanted = float((slopes * (pooled[0] - average)).sum())
    return part + (wanted - part.sum()) / part.numel(), False


def choose_start(backbone: Backbone, image: Tensor, last: Tensor) -> tuple[int, Tensor, tuple[int, ...]]:
    """Choose where gradients start: the stage that runs next, the values that it reads, the axes of their positions.

    They start at the last map; with a class token, which alone is read of the last tokens, before the last block; with
    such a network that cannot be cut, at the pixels.
    """
    reads_one_token = last.dim() == 3 and getattr(backbone.network, "global_pool", "") in ("token", "", "map")
    if last.dim() > 2 and not reads_one_token:
        return len(backbone.stages), last, backbone.position_axes[-1]
    if not backbone.can_be_cut:
        return 0, image, (2, 3)
    start = len(backbone.stages) - 1
    with torch.no_grad():
        return start, backbone.run_stages(image, 0, start)[0], backbone.position_axes[start - 1]


def arrange(backbone: Backbone, values: Tensor) -> Tensor:
    """Sum values over channels: a map (C, H, W) or tokens (T, C) → (h, w)."""
    return arrange_tokens(backbone, values.sum(-1)) if values.dim() == 2 else values.sum(0)


def put_channels_first(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Turn maps (N, H, W, C), by the axes of their positions, into (N, C, H, W); leave the others."""
    return values.permute(0, 3, 1, 2) if axes == (1, 2) else values


def arrange_tokens(backbone: Backbone, values: Tensor) -> Tensor:
    """Arrange the tokens (T,) of patches in their rows, (h, w); what comes before them has no place."""
    network = backbone.network
    patches = values[int(getattr(network, "num_prefix_tokens", 0)) :]
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if grid is None or math.prod(grid) != len(patches):
        grid = (math.isqrt(len(patches)),) * 2
    return patches[: math.prod(grid)].view(*grid)


def spread(part: Tensor, side: int) -> Tensor:
    """Spread a map (h, w) smoothly over (side, side), its sum kept."""
    finer: Tensor = functional.interpolate(part[None, None], (side, side), mode="bilinear")[0, 0]
    finer = finer * (part.numel() / side**2)
    return finer + (part.sum() - finer.sum()) / side**2


class FixedGates(TorchFunctionMode):
    """While it is on, gradients take attention, the scale of norms and the gates of activations for fixed.

    Gradient × value then says what was passed on: plain gradients of a norm of the values sum to nothing at all.
    """

    GATED = (functional.gelu, functional.silu, functional.hardswish)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run a function of torch's, some with parts of it held fixed."""
        named = dict(kwargs or {})
        if func is functional.layer_norm:
            return normalise_fixed(*args, **named)
        if func is functional.scaled_dot_product_attention:
            return func(args[0].detach(), args[1].detach(), *args[2:], **named)
        if func in (functional.softmax, torch.softmax, Tensor.softmax):
            return func(*args, **named).detach()
        if func in self.GATED:
            values = args[0]
            gates = func(values.detach().clone(), *args[1:], **named) / torch.where(values == 0, 1.0, values.detach())
            return values * gates.detach()
        return func(*args, **named)


def normalise_fixed(
    values: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise as `layer_norm` does, its deviation held fixed."""
    axes = tuple(range(-len(normalized_shape), 0))
    deviation = (values.var(axes, unbiased=False, keepdim=True) + eps).sqrt().detach()
    result = (values - values.mean(axes, keepdim=True)) / deviation
    result = result if weight is None else result * weight
    return result if bias is None else result + bias

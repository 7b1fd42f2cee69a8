"""A timm network as an ordered sequence of stages that share the network's own modules.

A *stage* is what timm's coarse `group_matcher` calls a group (stem, layer1…layer4; blocks.0…blocks.6; one transformer
block); where its groups are single layers, as in VGG, a stage is what lies between two poolings. What a network
computes after its last stage and before its classifier (ConvNeXt's last norm, MobileNetV3's `conv_head`) belongs to
the last stage.

No table says how a family runs: one forward is traced. A network is cut where a group's first module is called, if all
that follows reads the images through the one tensor handed over there. A stage owns the parameters that the map behind
it was computed from and the map before it was not, so nothing that trains behind a cut changes what was kept before
it. A network that nowhere hands over one tensor alone runs as one step: it can be cut only after its features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.engine.torch_forward import using_few_threads
from sightx_cli.model.call_trace import Call, Trace, Value, collect_nodes, trace_calls
from sightx_cli.model.image_sizes import CANNOT_RUN
from sightx_cli.model.passages import Step, build_step, is_chain
from sightx_cli.model.stage_groups import StageGroups, group_children, group_stages, name_groups


@dataclass(frozen=True)
class Stage:
    """One ordered part of a network: its name, how it runs, and the names of the parameters it owns."""

    name: str
    run: Step
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """Where a stage begins: the call of its first module, and the group whose that is."""

    call: Call
    group: int


@dataclass(frozen=True)
class StagedNetwork:
    """A network's stages, earliest first, the map behind each for one random image, and why it runs as one step."""

    stages: tuple[Stage, ...]
    map_shapes: tuple[tuple[int, ...], ...]
    """Of the map behind each stage, for one image."""
    position_axes: tuple[tuple[int, ...], ...]
    """Of each map: (2, 3) of (N, C, H, W), (1, 2) of (N, H, W, C), (1,) of tokens (N, T, C)."""
    last: Tensor
    """The map behind the last stage, of a random image."""
    why_uncut: str = ""
    """Empty where the stages run one by one; else the first runs the whole network, the others pass its output on."""


def build_stages(network: Any, size_px: int) -> StagedNetwork:
    """Divide a timm network (built with `num_classes=0`, in evaluation mode) into stages, for square images.

    A random image is run through it to see what it does. Stages that are chains of modules do the same, by what was
    seen; where one is not, two images are run stage by stage to check it.
    """
    groups = group_stages(network)
    images = draw_noise(network, size_px, images=1)
    with using_few_threads(network, images.shape[-1]):
        trace = trace_calls(network, images)
    if not isinstance(trace.result, Value):
        return build_uncut(network, groups, trace, images, "its features are several maps")
    staged = find_stages(network, groups, trace) or find_stages(network, group_children(network), trace)
    if staged is None:
        return build_uncut(network, groups, trace, images, "none of its stages passes on a single map")
    if all(is_chain(stage.run) for stage in staged.stages):
        return staged
    try:
        last = pass_images(staged.stages, draw_noise(network, size_px, images=2))
    except CANNOT_RUN as error:
        return build_uncut(network, groups, trace, images, f"stage by stage it does not run ({error})")
    if not is_same(staged.last, last[:1]):
        return build_uncut(network, groups, trace, images, "stage by stage it gives other outputs")
    return staged


def find_stages(network: Any, groups: StageGroups, trace: Trace) -> StagedNetwork | None:
    """Find where a network can be cut, and build the stages between; None where it cannot."""
    entries = find_entries(trace, groups)
    cuts = [one for one in entries[1:] if is_cut(trace, one.call)]
    if groups.are_single_layers:
        cuts = keep_poolings(cuts, trace.images.shape[2:])
    if not cuts:
        return None
    firsts = [None, *(one.call for one in cuts)]
    owned = own_parameters(network, [one.call for one in cuts])
    stages = tuple(
        Stage(name, build_step(network, trace, start, stop), parameters)
        for name, start, stop, parameters in zip(
            name_stages(groups, entries, cuts), firsts, [*firsts[1:], None], owned, strict=True
        )
    )
    maps: list[Value] = [*(one.call.given for one in cuts if one.call.given is not None), trace.result]
    shapes = tuple(one.shape[1:] for one in maps)
    return StagedNetwork(stages, shapes, tuple(find_axes(network, trace, one) for one in maps), trace.features.detach())


@torch.no_grad()
def build_uncut(network: Any, groups: StageGroups, trace: Trace, images: Tensor, why: str) -> StagedNetwork:
    """Give a network stages in name only: parameter groups, of which the first runs all of it."""
    owned = [list(one) for one in groups.groups]
    names = name_groups(owned, ())
    owned[-1] += groups.unmatched  # what comes between the last group and the classifier, such as a norm
    if isinstance(trace.result, Value):
        whole, last, axes = network.forward_features, trace.features.detach(), find_axes(network, trace, trace.result)
    else:  # nothing of it is one tensor but its pooled features
        whole, last, axes = network, network(images), ()
    runs: list[Step] = [whole, *([_identity] * (len(names) - 1))]
    stages = tuple(Stage(n, r, tuple(p)) for n, r, p in zip(names, runs, owned, strict=True))
    return StagedNetwork(stages, (tuple(last.shape[1:]),) * len(stages), (axes,) * len(stages), last, why)


def _identity(features: Tensor) -> Tensor:
    return features


def find_axes(network: Any, trace: Trace, features: Value) -> tuple[int, ...]:
    """Find the axes of the positions in maps of several images.

    Images are square, so the two axes that are as long as each other are the positions'. Where all three are, the
    channels come last if timm says so of the network, or if a layer made the map, or reads it, that wants them there.
    """
    shape = features.shape[1:]
    if len(shape) < 3:
        return (1,)[: len(shape) - 1]
    if shape[0] != shape[1]:
        return (2, 3)
    if shape[1] != shape[2] or getattr(network, "output_fmt", "") == "NHWC":
        return (1, 2)
    layers = [call.module for call in trace.calls if features in (call.given, call.result)]
    return (1, 2) if any(map(_has_channels_last, layers)) else (2, 3)


def _has_channels_last(layer: nn.Module) -> bool:
    """Tell whether a layer works on the last axis; timm's LayerNorm2d is a LayerNorm that does not."""
    return isinstance(layer, (nn.Linear, nn.LayerNorm)) and not type(layer).__name__.endswith("2d")


def find_entries(trace: Trace, groups: StageGroups) -> list[Entry]:
    """Find the first call of a module of each group, in the order in which they are called."""
    group_of = {name: place for place, one in enumerate(groups.groups) for name in one}
    found: dict[int, Entry] = {}
    for call in trace.calls:
        of_module = {group_of.get(f"{call.name}.{name}", -1) for name, _ in call.module.named_parameters()}
        if len(of_module) == 1 and (group := of_module.pop()) >= 0 and group not in found:
            found[group] = Entry(call, group)
    return sorted(found.values(), key=lambda one: one.call.began)


def is_cut(trace: Trace, call: Call) -> bool:
    """Tell whether a network can be cut where a module is called.

    It can where the module is called once, is given a map of each image first, (N, C, H, W), (N, H, W, C) or (N, T, C),
    and the result reads the images through nothing but that map.
    """
    features = call.given
    if features is None or len(features.shape) not in (3, 4) or features.shape[0] != trace.images.shape[0]:
        return False
    return sum(one.module is call.module for one in trace.calls) == 1 and trace.ancestry.needs(trace.result, features)


def keep_poolings(cuts: Sequence[Entry], sides: tuple[int, ...]) -> list[Entry]:
    """Keep the cuts before which the map was made smaller; `sides` are those of the images."""
    kept: list[Entry] = []
    for one in cuts:
        assert one.call.given is not None
        here = one.call.given.shape[2:]
        if here != sides:
            kept.append(one)
        sides = here
    return kept


def own_parameters(network: Any, cuts: Sequence[Call]) -> list[tuple[str, ...]]:
    """Return the names of each stage's parameters: those first needed for the map behind it, the last all others."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    passed: set[Any] = set()
    owned: list[set[str]] = []
    for call in cuts:
        assert call.given is not None
        leaves = [getattr(node, "variable", None) for node in collect_nodes(call.given.node, passed)]
        owned.append({names[leaf] for leaf in leaves if leaf in names})
    owned.append(set(names.values()) - set().union(*owned))
    return [tuple(name for name in names.values() if name in one) for one in owned]


def name_stages(groups: StageGroups, entries: Sequence[Entry], cuts: Sequence[Entry]) -> list[str]:
    """Name the stages after their groups."""
    if groups.are_single_layers:
        return [f"stage{number + 1}" for number in range(len(cuts) + 1)]
    ordered = [groups.groups[one.group] for one in entries]
    names = dict(
        zip((one.group for one in entries), name_groups(ordered, [one.call.name for one in entries]), strict=True)
    )
    return [names[entries[0].group], *(names[one.group] for one in cuts)]


def draw_noise(network: Any, size_px: int, images: int) -> Tensor:
    """Draw random images (N, 3, S, S), the first of them always the same, where the network is."""
    chance = torch.Generator().manual_seed(0)
    drawn = [torch.randn(3, size_px, size_px, generator=chance) for _ in range(images)]
    return torch.stack(drawn).to(next(network.parameters()).device)


@torch.no_grad()
def pass_images(stages: Sequence[Stage], images: Tensor) -> Tensor:
    """Pass images (N, 3, S, S) through the stages in turn; return the last map.

    Raises ValueError where a stage gives anything but a map of each image.
    """
    features = images
    for stage in stages:
        features = stage.run(features)
        if not isinstance(features, Tensor) or len(features) != len(images):
            raise ValueError(f"{stage.name} gives no map of each image")
    return features


def is_same(whole: Tensor, in_stages: Tensor, tolerance: float = 1e-4) -> bool:
    """Tell whether a network gives in stages what its own forward gives (float32).

    The tolerance is relative to the largest output. If there are no numbers to compare, only shapes must agree: on
    torch's meta device, and with weights that give none, which `check_forward` refuses.
    """
    if whole.shape != in_stages.shape or whole.is_meta or not bool(whole.isfinite().all()):
        return bool(whole.shape == in_stages.shape)
    scale = max(1.0, float(whole.abs().max()))
    return float((whole - in_stages).abs().max()) <= tolerance * scale

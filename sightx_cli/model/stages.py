"""A timm network as an ordered sequence of stages that share the network's own modules.

A *stage* is what timm's coarse `group_matcher` calls a group (stem, layer1…layer4; blocks.0…blocks.6; one transformer
block); where its groups are single layers, as in VGG, a stage is what lies between two poolings. What a network
computes after its last stage and before its classifier (ConvNeXt's last norm, MobileNetV3's `conv_head`) belongs to
the last stage.

Networks of the families below run stage by stage, so that they can be cut at any boundary. Any other network still has
its stages as parameter groups, but runs as one step: it can be cut only after its features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.model.timm_parts import group_parameters

Step = Callable[[Tensor], Tensor]

STRANGER = "\0"
"""The name of a parameter that no matcher knows: all such parameters end in one group."""


@dataclass(frozen=True)
class Stage:
    """One ordered part of a network: its name, how it runs, and the names of the parameters it owns."""

    name: str
    run: Step
    parameters: tuple[str, ...]


def build_stages(network: Any) -> tuple[tuple[Stage, ...], bool]:
    """Split a timm network (built with `num_classes=0`) into stages, earliest first.

    Returns the stages and whether they run one by one; where they do not, the first stage runs the whole network and
    the others pass its output on.
    """
    steps = _steps_of_family(network)
    if steps is None:
        owned, unmatched = _parameters_by_group(network)
        names = _name_groups(owned)
        owned[-1] += unmatched  # what comes between the last group and the classifier, such as a norm
        runs: list[Step] = [network.forward_features, *([_identity] * (len(names) - 1))]
        return tuple(Stage(n, r, tuple(p)) for n, r, p in zip(names, runs, owned, strict=True)), False
    parameter_names = [name for name, _ in network.named_parameters()]
    stages: list[Stage] = []
    taken: set[str] = set()
    for position, (name, prefixes, run) in enumerate(steps):
        owns = [p for p in parameter_names if p not in taken and _starts_with_any(p, prefixes)]
        taken.update(owns)
        if position == len(steps) - 1:
            owns += [p for p in parameter_names if p not in taken]
        stages.append(Stage(name, run, tuple(owns)))
    return tuple(stages), True


def _identity(features: Tensor) -> Tensor:
    return features


def _starts_with_any(parameter: str, prefixes: Sequence[str]) -> bool:
    return any(parameter == prefix or parameter.startswith(prefix + ".") for prefix in prefixes)


def _chain(modules: Sequence[nn.Module]) -> Step:
    def run(features: Tensor) -> Tensor:
        for module in modules:
            features = module(features)
        return features

    return run


def _named(network: Any, *names: str) -> tuple[list[str], Step]:
    """Return the parts of these names that the network has, as parameter prefixes and as one step."""
    present = [name for name in names if hasattr(network, name)]
    return present, _chain([network.get_submodule(name) for name in present])


def _steps_of_family(network: Any) -> list[tuple[str, list[str], Step]] | None:
    """Return (stage name, parameter prefixes, step) per stage for the families that can be cut anywhere."""
    family = type(network).__name__
    if family == "ResNet":
        stem = ("stem", *_named(network, "conv1", "bn1", "act1", "maxpool"))
        return [stem, *((name, *_named(network, name)) for name in ("layer1", "layer2", "layer3", "layer4"))]
    if family == "MiniNet":
        return [(name, *_named(network, name)) for name in ("stem", "layer1", "layer2", "layer3")]
    if family in ("EfficientNet", "MobileNetV3"):
        tail = ("conv_head", "bn2") if family == "EfficientNet" else ()
        return _block_steps(network, ("conv_stem", "bn1"), "blocks", tail)
    if family == "ConvNeXt":
        return _block_steps(network, ("stem",), "stages", ("norm_pre",))
    if family == "VGG":
        return _vgg_steps(network)
    if family == "DenseNet":
        return _densenet_steps(network)
    if family == "VisionTransformer":
        return _transformer_steps(network)
    return None


def _block_steps(
    network: Any, stem: Sequence[str], blocks: str, tail: Sequence[str]
) -> list[tuple[str, list[str], Step]]:
    """Return the steps of a network that is a stem, a sequence of blocks, and perhaps a tail."""
    steps: list[tuple[str, list[str], Step]] = [("stem", *_named(network, *stem))]
    sequence = network.get_submodule(blocks)
    names = [f"{blocks}.{name}" for name, _ in sequence.named_children()]
    for name in names[:-1]:
        steps.append((name, [name], _chain([network.get_submodule(name)])))
    present = [name for name in tail if hasattr(network, name)]
    last = [names[-1], *present]
    steps.append((names[-1], last, _chain([network.get_submodule(name) for name in last])))
    return steps


def _vgg_steps(network: Any) -> list[tuple[str, list[str], Step]]:
    """Cut VGG's long list of layers after each pooling."""
    steps: list[tuple[str, list[str], Step]] = []
    prefixes: list[str] = []
    modules: list[nn.Module] = []
    for name, module in network.get_submodule("features").named_children():
        prefixes.append(f"features.{name}")
        modules.append(module)
        if isinstance(module, nn.MaxPool2d):
            steps.append((f"stage{len(steps) + 1}", prefixes, _chain(modules)))
            prefixes, modules = [], []
    if modules:
        steps.append((f"stage{len(steps) + 1}", prefixes, _chain(modules)))
    return steps


def _densenet_steps(network: Any) -> list[tuple[str, list[str], Step]]:
    """Cut DenseNet after each transition; the last norm belongs to the last dense block."""
    steps: list[tuple[str, list[str], Step]] = []
    prefixes: list[str] = []
    modules: list[nn.Module] = []
    name = "stem"
    for child, module in network.get_submodule("features").named_children():
        if child.startswith("denseblock"):
            steps.append((name, prefixes, _chain(modules)))
            prefixes, modules, name = [], [], child
        prefixes.append(f"features.{child}")
        modules.append(module)
    steps.append((name, prefixes, _chain(modules)))
    return steps


def _transformer_steps(network: Any) -> list[tuple[str, list[str], Step]]:
    """Cut a vision transformer between its blocks; positions and tokens are its stem."""

    def embed(images: Tensor) -> Tensor:
        tokens: Tensor = network.norm_pre(network.patch_drop(network._pos_embed(network.patch_embed(images))))
        return tokens

    steps = _block_steps(network, (), "blocks", ("norm",))
    stem = ["cls_token", "reg_token", "pos_embed", "patch_embed", "norm_pre"]
    return [("stem", stem, embed), *steps[1:]]


def _parameters_by_group(network: Any) -> tuple[list[list[str]], list[str]]:
    """Group parameter names as timm's coarse matcher does; return also what it leaves unmatched."""
    names = [name for name, _ in network.named_parameters()]
    if not hasattr(network, "group_matcher"):
        return [names], []
    with_stranger: Any = SimpleNamespace(named_parameters=lambda: [*network.named_parameters(), (STRANGER, None)])
    groups = group_parameters(with_stranger, network.group_matcher(coarse=True), reverse=True)
    nowhere = groups.pop(STRANGER)
    unmatched = [name for name in names if groups[name] == nowhere]
    owned: dict[int, list[str]] = {}
    for name, group in groups.items():
        if name not in unmatched:
            owned.setdefault(group, []).append(name)
    return [owned[group] for group in sorted(owned)], unmatched


def _name_groups(groups: Sequence[Sequence[str]]) -> list[str]:
    """Name each group after the shortest module path that holds all its parameters and no other group's."""
    names: list[str] = []
    for position, parameters in enumerate(groups):
        others = [name for place, other in enumerate(groups) if place != position for name in other]
        parts = parameters[0].split(".")[:-1]
        paths = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
        own = (path for path in paths if _holds_all(path, parameters) and not _holds_any(path, others))
        # "head" is the classifier's, wherever a network calls its own last part so
        name = next((path for path in own if path != "head"), "stem" if position == 0 else f"group{position}")
        names.append(name)
    return names


def _holds_all(path: str, parameters: Sequence[str]) -> bool:
    return all(_starts_with_any(parameter, [path]) for parameter in parameters)


def _holds_any(path: str, parameters: Sequence[str]) -> bool:
    return any(_starts_with_any(parameter, [path]) for parameter in parameters)


def pass_image(network: Any, stages: Sequence[Stage], size_px: int) -> tuple[Tensor, list[Tensor]]:
    """Pass one random image (1, 3, S, S) through the stages in turn; return it and the map behind each stage."""
    images = torch.randn(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
    images = images.to(next(network.parameters()).device)
    maps, features = [], images
    for stage in stages:
        features = stage.run(features)
        maps.append(features)
    return images, maps


def check_stages(network: Any, images: Tensor, last: Tensor, tolerance: float = 1e-4) -> bool:
    """Check that the last map, as the stages in turn give it, is what the network's own forward gives (float32).

    The tolerance is relative to the largest output. If there are no numbers to compare, only shapes must agree: on
    torch's meta device, and with weights that give none, which `check_forward` refuses.
    """
    whole = network.forward_features(images)
    if whole.shape != last.shape or whole.is_meta or not bool(whole.isfinite().all()):
        return bool(whole.shape == last.shape)
    scale = max(1.0, float(whole.abs().max()))
    return float((whole - last).abs().max()) <= tolerance * scale

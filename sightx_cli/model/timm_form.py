"""A trained classifier as others load it: as a network of timm alone, or with the module that reads its taps.

timm's own classifier is one linear layer on the network's pooled output. A head that reads that output alone becomes
exactly it, once its standardisation is folded into weight and bias.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.model.backbone import Backbone
from sightx_cli.model.combined_backbone import CombinedBackbone
from sightx_cli.model.combined_network import split_backbone
from sightx_cli.model.head import FeatureScale
from sightx_cli.model.image_sizes import fix_size
from sightx_cli.model.mini import default_cfgs as own_networks
from sightx_cli.model.stages import draw_noise, is_same
from sightx_cli.model.tapped_classifier import TappedClassifier
from sightx_cli.model.timm_parts import timm


@dataclass(frozen=True)
class TimmForm:
    """The tensors by the names under which they are loaded, and what is to be known to build what loads them."""

    config: Mapping[str, Any]
    """`architecture`, `model_args`, `num_features` as timm's hub has them; `networks`, `order` and `hidden` too, where
    it needs `TappedClassifier`."""
    tensors: Mapping[str, Tensor]
    why_tapped: str = ""
    """Why timm alone cannot load it; "" where it can."""


def build_timm_form(model: nn.Sequential, backbone_name: str, size_px: int) -> tuple[TimmForm | None, str]:
    """Build the form of a classifier in evaluation mode, held against it on noise; or None and why there is none."""
    backbone, head = model
    assert isinstance(backbone, Backbone)
    assert isinstance(head, nn.Sequential)
    names = split_backbone(backbone_name)
    if own := [name for name in names if name in own_networks]:
        return None, f"{own[0]} is a network of SightX, which timm does not have"
    if backbone.grey is not None:
        return None, "its first layer was made for one grey channel (model.grey), which no network of timm has"
    if backbone.pool != "avg":
        return None, 'its head reads the last map position by position (model.head.pool = "flatten")'
    why = find_reason(backbone, head, names)
    form = None if why else fold_head(backbone, head, names[0], size_px)
    if form is None:
        form = describe_taps(backbone, head, names, size_px, why or "timm has another classifier on this network")
    if form is None or not is_same(*compare_on_noise(model, form, size_px)):
        return None, f"timm's {' and '.join(names)} gives other outputs from these weights"
    return form, ""


def find_reason(backbone: Backbone, head: nn.Sequential, names: tuple[str, ...]) -> str:
    """Say why timm's own classifier cannot stand for a head; "" where it can."""
    if len(names) > 1:
        return f"it joins {len(names)} networks"
    if backbone.tapped:
        return f"its head reads the outputs of {len(backbone.tapped) + 1} stages"
    if hidden := list_hidden(head):
        return f"its head has {len(hidden)} hidden layer{'s' if len(hidden) > 1 else ''}"
    return ""


def list_linears(head: nn.Sequential) -> list[nn.Linear]:
    """List the linear layers of a head."""
    return [layer for layer in head if isinstance(layer, nn.Linear)]


def list_hidden(head: nn.Sequential) -> list[int]:
    """List the widths of a head's hidden layers."""
    return [layer.out_features for layer in list_linears(head)[:-1]]


def fold_linear(head: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Return weight (C, F) and bias (C,) that do on plain features what a head without hidden layers does.

    w · (f − m) / d + b is (w / d) · f + (b − (w / d) · m); in float64, since large means nearly cancel.
    """
    scale, linear = head[0], list_linears(head)[-1]
    assert isinstance(scale, FeatureScale)
    weight = linear.weight.detach().double() / scale.deviation.double()
    return weight.float(), (linear.bias.detach().double() - weight @ scale.mean.double()).float()


def fold_head(backbone: Backbone, head: nn.Sequential, name: str, size_px: int) -> TimmForm | None:
    """Return a network of timm with the head as its classifier; None where timm has another kind of classifier there.

    A network with two classifiers (DeiT's distilled ones) averages what they say, each of its own token: both are the
    same here, as the head reads the average of the tokens.
    """
    architecture, arguments = name.split(".")[0], fix_size(name, size_px)
    weight, bias = fold_linear(head)
    network: Any = timm.create_model(architecture, num_classes=len(bias), **arguments).eval()
    said = network.pretrained_cfg.get("classifier")
    layers = [(one, network.get_submodule(one)) for one in ([said] if isinstance(said, str) else said or [])]
    tensors = dict(backbone.network.state_dict())
    for layer_name, layer in layers:
        if not isinstance(layer, nn.Linear | nn.Conv2d) or layer.bias is None or layer.weight.numel() != weight.numel():
            return None
        tensors |= {f"{layer_name}.weight": weight.reshape(layer.weight.shape), f"{layer_name}.bias": bias}
    if tensors.keys() != network.state_dict().keys() or not layers:
        return None
    return TimmForm({**describe_to_timm(network, arguments), "num_features": weight.shape[1]}, tensors)


def describe_to_timm(network: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what timm's hub says of a network: its name, how it is built, and where it begins and ends."""
    said = network.pretrained_cfg
    kept = {key: said[key] for key in ("first_conv", "classifier", "fixed_input_size") if said.get(key) is not None}
    pool = getattr(network, "global_pool", None)
    return {
        "architecture": said["architecture"],
        **({"global_pool": pool} if isinstance(pool, str) else {}),
        "model_args": dict(arguments),
        "pretrained_cfg": kept,
    }


@torch.no_grad()
def describe_taps(
    backbone: Backbone, head: nn.Sequential, names: tuple[str, ...], size_px: int, why: str
) -> TimmForm | None:
    """Return a classifier as `TappedClassifier` has it; None where a tapped map is no module's input."""
    scale = head[0]
    assert isinstance(scale, FeatureScale)
    linears = list_linears(head)
    members = list_networks_read(backbone)
    networks = []
    for name, (one, input_scale, input_shift) in zip(names, members, strict=True):
        places = find_taps(one, size_px)
        if places is None:
            return None
        networks.append(
            {
                "architecture": name.split(".")[0],
                "model_args": fix_size(name, size_px),
                "taps": places,
                "scale": input_scale,
                "shift": input_shift,
            }
        )
    config = {
        "num_features": backbone.feature_count,
        "networks": networks,
        "order": order_features(backbone),
        "hidden": list_hidden(head),
    }
    tensors: dict[str, Tensor] = {"mean": scale.mean, "deviation": scale.deviation}
    for number, linear in enumerate(linears):
        tensors |= {f"linears.{number}.{key}": value for key, value in linear.state_dict().items()}
    for number, (one, _, _) in enumerate(members):
        tensors |= {f"networks.{number}.{key}": value for key, value in one.network.state_dict().items()}
    return TimmForm(config, tensors, why)


def list_networks_read(backbone: Backbone) -> list[tuple[Backbone, list[float], list[float]]]:
    """List each network of a backbone, and what its images are multiplied by and moved by to be as it expects them."""
    if not isinstance(backbone, CombinedBackbone):
        return [(backbone, [1.0] * 3, [0.0] * 3)]
    scale, shift = backbone.network.input_scale, backbone.network.input_shift
    return [
        (one.backbone, scale[one.number].flatten().tolist(), shift[one.number].flatten().tolist())
        for one in backbone.members
    ]


def order_features(backbone: Backbone) -> list[tuple[int, int]]:
    """List the (network, tap) of each block of features, in the order in which the head reads them."""
    if not isinstance(backbone, CombinedBackbone):
        return [(0, tap) for tap in range(len(backbone.tapped) + 1)]
    order = [
        (one.number, one.backbone.tapped.index(tap - one.begin))
        for tap in backbone.tapped
        for one in backbone.members
        if one.has_begun(tap)
    ]
    return [*order, *((one.number, len(one.backbone.tapped)) for one in backbone.members)]


@torch.no_grad()
def find_taps(backbone: Backbone, size_px: int) -> list[dict[str, Any]] | None:
    """Find, for each tapped map, the first module that is given it; None where there is none."""
    images = draw_noise(backbone.network, size_px, images=1)
    places = []
    maps, begin = images, 0
    for tap in backbone.tapped:
        maps, _ = backbone.run_stages(maps, begin, tap + 1)
        begin = tap + 1
        name = find_module_of_map(backbone.network, images, maps)
        if name is None:
            return None
        places.append({"module": name, "axes": list(backbone.position_axes[tap])})
    return places


def find_module_of_map(network: Any, images: Tensor, wanted: Tensor) -> str | None:
    """Find the name of the first module of a network that is given a map; None where no module is."""
    found: list[str] = []

    def note(name: str, given: tuple[Any, ...]) -> None:
        one = given[0] if given else None
        if isinstance(one, Tensor) and one.shape == wanted.shape and torch.allclose(one, wanted, rtol=1e-4, atol=1e-5):
            found.append(name)

    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: note(name, given))
        for name, module in network.named_modules()
        if name
    ]
    try:
        network.forward_features(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def load_form(form: TimmForm, classes: int) -> nn.Module:
    """Build what loads a form, and load it."""
    config = json.loads(json.dumps(form.config))
    if form.why_tapped:
        model: nn.Module = TappedClassifier({**config, "num_classes": classes})
    else:
        model = timm.create_model(config["architecture"], num_classes=classes, **config["model_args"])
    model.load_state_dict(dict(form.tensors))
    return model.eval()


@torch.no_grad()
def compare_on_noise(model: nn.Sequential, form: TimmForm, size_px: int) -> tuple[Tensor, Tensor]:
    """Return the logits of a classifier and of its form, of two images of noise."""
    images = draw_noise(model[0].network, size_px, images=2)
    expected = model(images)
    return expected, load_form(form, expected.shape[1])(images)

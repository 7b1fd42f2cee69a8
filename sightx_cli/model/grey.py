"""A stem for one grey channel, made from the pretrained RGB stem.

Every network receives images as normalised RGB. The stem converts them to one channel by luminance, so that decoding,
cache, compiled graph and bundle are unaffected; a grey image has R = G = B and keeps its grey values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.errors import ModelError
from sightx_cli.model.combined_network import CombinedNetwork
from sightx_cli.model.timm_parts import Conv2dSame, pad_same

LUMINANCE = (0.299, 0.587, 0.114)
"""The share of each colour in grey: ITU-R BT.601, as in Pillow's mode "L"."""


class GreyStem(nn.Conv2d):
    """A convolution on one channel instead of normalised RGB: takes (N, 3, H, W) and converts it to grey.

    With the weights' mean m and deviation s of each channel, and their averages M and S, the one channel is
    u = (grey − M) / S.

    `mean` averages the RGB filters. `sum` adds them so that a grey image gives the RGB stem's output. There,
    channel c is (grey − m_c) / s_c = a_c u + d_c with a_c = S / s_c and d_c = (M − m_c) / s_c, so the three filters
    become one, Σ a_c w_c on u, and Σ d_c w_c on a plane of ones. The second part is not a plain bias: the RGB stem pads
    its normalised input with zeros, so at the border fewer of the ones count. Convolved with the same padding it is
    exact there too. It is fixed: only the filter trains.
    """

    luminance: Tensor
    offset: Tensor
    ones_filter: Tensor | None

    def __init__(self, rgb: nn.Conv2d, grey: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(
            1,
            rgb.out_channels,
            rgb.kernel_size,  # type: ignore[arg-type]  # torch types it as a tuple of any length
            rgb.stride,  # type: ignore[arg-type]
            rgb.padding,  # type: ignore[arg-type]
            rgb.dilation,  # type: ignore[arg-type]
            bias=rgb.bias is not None,
        )
        self.pads_as_tensorflow = isinstance(rgb, Conv2dSame)
        self.grey = grey
        means, deviations, shares = (torch.tensor(one, dtype=torch.float64) for one in (mean, std, LUMINANCE))
        middle, spread = means.mean(), deviations.mean()
        self.register_buffer("luminance", (shares * deviations / spread).float().view(1, 3, 1, 1))
        self.register_buffer("offset", (((shares * means).sum() - middle) / spread).float())
        filters = rgb.weight.detach().double()
        ones_filter = None
        if grey == "mean":
            weight = filters.mean(1, keepdim=True)
        else:
            weight = (filters * (spread / deviations).view(1, 3, 1, 1)).sum(1, keepdim=True)
            ones_filter = (filters * ((middle - means) / deviations).view(1, 3, 1, 1)).sum(1, keepdim=True).float()
        self.register_buffer("ones_filter", ones_filter)
        with torch.no_grad():
            self.weight.copy_(weight)
            if self.bias is not None and rgb.bias is not None:
                self.bias.copy_(rgb.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the stem's maps of normalised RGB images (N, 3, H, W)."""
        grey = (images * self.luminance).sum(1, keepdim=True) + self.offset
        maps = self._convolve(grey, self.weight, self.bias)
        if self.ones_filter is not None:
            maps = maps + self._convolve(torch.ones_like(grey[:1]), self.ones_filter, None)
        return maps

    def _convolve(self, plane: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not self.pads_as_tensorflow:
            plain: Tensor = self._conv_forward(plane, weight, bias)
            return plain
        padded = pad_same(plane, list(weight.shape[-2:]), list(self.stride), list(self.dilation))
        return nn.functional.conv2d(padded, weight, bias, self.stride, (0, 0), self.dilation)


def make_grey(network: Any, grey: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """Replace a network's RGB stem by a one-channel stem made from its weights; `grey` is "mean" or "sum".

    `mean` and `std` are those of the weights. Raises ModelError if the network does not begin with a convolution
    on three channels.
    """
    if isinstance(network, CombinedNetwork):
        for place, member in enumerate(network.members):
            make_grey(member, grey, *network.find_normalisation(place, mean, std))
        return
    names = find_first_layers(network)
    name, layer = names[0], network.get_submodule(names[0])
    is_plain = type(layer) in (nn.Conv2d, Conv2dSame) and layer.padding_mode == "zeros" and layer.groups == 1
    if not is_plain or layer.in_channels != 3 or len(names) > 1:
        kinds = (network.get_submodule(one) for one in names)
        found = ", ".join(f"{one} ({type(kind).__name__})" for one, kind in zip(names, kinds, strict=True))
        channels = f" on {layer.in_channels} channels" if getattr(layer, "in_channels", 3) != 3 else ""
        raise ModelError(
            f'model.grey = "{grey}": this network begins with {found}{channels}, not with one plain convolution on '
            "three channels",
            "--set model.grey=none (grey images are then read as RGB), or choose a network that does: resnet50, vgg16, "
            "mobilenetv2_100, tf_efficientnet_lite0, densenet121, convnext_tiny",
        )
    network.set_submodule(name, GreyStem(layer, grey, mean, std))


def find_first_layers(network: Any) -> tuple[str, ...]:
    """Return the names of the layers that read the image: those given by timm, else the first with weights."""
    said = (getattr(network, "pretrained_cfg", None) or {}).get("first_conv")
    modules: dict[str, nn.Module] = dict(network.named_modules())
    named = (said,) if isinstance(said, str) else tuple(said or ())
    if named and all(name in modules for name in named):
        return named
    return (next(name for name, module in modules.items() if name and list(module.parameters(recurse=False))),)


def read_grey(network: nn.Module) -> str | None:
    """Return how a network's stem was made grey, "mean" or "sum"; None for an RGB stem."""
    stems = [module for module in network.modules() if isinstance(module, GreyStem)]
    return stems[0].grey if stems else None

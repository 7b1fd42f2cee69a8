"""Two small networks for small images, trained from scratch: residual, and its depthwise-separable twin.

Both are a 3×3 convolution to 32 channels, then the blocks 32→32, 32→64 with stride 2, and 64→64. Importing this module
registers them with timm, so that `mini_resnet` and `mini_separable` are ordinary timm names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn

from sightx_cli.model.timm_parts import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    build_model_with_cfg,
    register_model,
)

WIDTHS = (32, 32, 64, 64)
"""Output channels of the stem, layer1, layer2 and layer3."""

Convolution = Callable[[int, int, int], nn.Module]
"""Makes a 3×3 convolution without bias from the channels in, the channels out, and the stride."""

_CONFIG = {
    "input_size": (3, 32, 32),
    "pool_size": (16, 16),
    "num_classes": 1000,
    "crop_pct": 1.0,
    "interpolation": "bicubic",
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "first_conv": "stem.0",
    "classifier": "fc",
}
default_cfgs = {"mini_resnet": _CONFIG, "mini_separable": _CONFIG}
"""timm's configuration of each network; there are no pretrained weights."""


def build_full_convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Module:
    """Build a plain 3×3 convolution: 9 · in · out parameters (32→64: 18,432)."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)


class SeparableConvolution(nn.Sequential):
    """A depthwise 3×3 convolution, then a pointwise 1×1: 9 · in + in · out parameters.

    32→64 takes 2,336 of them, 64→128 8,768 against 73,728 (Howard et al. 2017, MobileNets, arXiv:1704.04861). No layer
    comes between the two, which trains better (Chollet 2017, Xception, arXiv:1610.02357, section 4.7).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, out, H / stride, W / stride)."""
        return cast("Tensor", self.pointwise(self.depthwise(features)))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with BatchNorm around a shortcut (He et al. 2016, arXiv:1512.03385).

    The shortcut is a 1×1 projection with BatchNorm only where the shape changes. With plain convolutions 32→32 has
    18,560 parameters, 32→64 with stride 2 57,728, and 64→64 73,984.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, convolve: Convolution) -> None:
        super().__init__()
        self.conv1 = convolve(channels_in, channels_out, stride)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = convolve(channels_out, channels_out, 1)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.act2 = nn.ReLU(inplace=True)
        self.projection: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.projection = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return the block's map, (N, out, H / stride, W / stride)."""
        inner = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(features)))))
        return cast("Tensor", self.act2(inner + self.projection(features)))


class MiniNet(nn.Module):
    """A stem and three residual blocks, then the mean over positions and a linear classifier, like timm's networks.

    Takes images (N, 3, H, W), made for 32 × 32; any size from 8 px works. With `num_classes=0` it has no classifier.
    """

    def __init__(
        self, convolve: Convolution, num_classes: int = 1000, in_chans: int = 3, global_pool: str = "avg"
    ) -> None:
        super().__init__()
        stem, *widths = WIDTHS
        self.num_classes, self.global_pool = num_classes, global_pool
        self.num_features = self.head_hidden_size = widths[-1]
        self.grad_checkpointing = False
        self.stem = nn.Sequential(
            nn.Conv2d(in_chans, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        )
        self.layer1 = ResidualBlock(stem, widths[0], 1, convolve)
        self.layer2 = ResidualBlock(widths[0], widths[1], 2, convolve)
        self.layer3 = ResidualBlock(widths[1], widths[2], 1, convolve)
        places = zip(("stem", "layer1", "layer2", "layer3"), WIDTHS, (1, 1, 2, 2), strict=True)
        self.feature_info = [{"num_chs": width, "reduction": step, "module": name} for name, width, step in places]
        self.fc = self._build_classifier()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _build_classifier(self) -> nn.Module:
        return nn.Linear(self.num_features, self.num_classes) if self.num_classes else nn.Identity()

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:  # noqa: ARG002 (a stage is one block)
        """Tell timm which parameters belong together: the stem and each layer."""
        return {"stem": r"^stem", "blocks": r"^layer(\d+)"}

    def get_classifier(self) -> nn.Module:
        """Return the classifier."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a fresh one; 0 classes for none."""
        self.num_classes = num_classes
        self.global_pool = self.global_pool if global_pool is None else global_pool
        self.fc = self._build_classifier()

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last map, (N, 64, H / 2, W / 2)."""
        return cast("Tensor", self.layer3(self.layer2(self.layer1(self.stem(images)))))

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits (N, classes) of the last map; before the classifier (N, 64) where `pre_logits`."""
        pooled = features.mean((2, 3)) if self.global_pool else features
        return pooled if pre_logits else cast("Tensor", self.fc(pooled))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, classes), or pooled features (N, 64) without a classifier."""
        return self.forward_head(self.forward_features(images))


@register_model
def mini_resnet(pretrained: bool = False, **how: Any) -> MiniNet:
    """Build the network of plain residual blocks."""
    return _build("mini_resnet", pretrained, build_full_convolution, **how)


@register_model
def mini_separable(pretrained: bool = False, **how: Any) -> MiniNet:
    """Build its twin of depthwise-separable convolutions."""
    return _build("mini_separable", pretrained, SeparableConvolution, **how)


def _build(name: str, pretrained: bool, convolve: Convolution, **how: Any) -> MiniNet:
    network: MiniNet = build_model_with_cfg(MiniNet, name, pretrained, convolve=convolve, **how)
    return network

"""What SightX takes from timm, imported here alone: without torch's compiler."""

from sightx_cli.startup.compiler import import_without_compiler

import_without_compiler("timm")

import timm  # noqa: E402
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD  # noqa: E402
from timm.layers.conv2d_same import Conv2dSame  # noqa: E402
from timm.layers.padding import get_same_padding, pad_same  # noqa: E402
from timm.layers.patch_embed import PatchEmbed  # noqa: E402
from timm.models import build_model_with_cfg, group_parameters, register_model  # noqa: E402

__all__ = [
    "IMAGENET_DEFAULT_MEAN",
    "IMAGENET_DEFAULT_STD",
    "Conv2dSame",
    "PatchEmbed",
    "build_model_with_cfg",
    "get_same_padding",
    "group_parameters",
    "pad_same",
    "register_model",
    "timm",
]

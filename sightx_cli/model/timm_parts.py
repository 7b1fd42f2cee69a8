"""What SightX takes from timm, imported here alone: without torch's compiler, and some of it private to timm."""

from sightx_cli.startup.compiler import import_without_compiler

import_without_compiler("timm")

import timm  # noqa: E402
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD  # noqa: E402
from timm.layers.conv2d_same import Conv2dSame  # noqa: E402
from timm.layers.padding import pad_same  # noqa: E402
from timm.models import build_model_with_cfg, register_model  # noqa: E402
from timm.models._manipulate import group_with_matcher  # noqa: E402

__all__ = [
    "IMAGENET_DEFAULT_MEAN",
    "IMAGENET_DEFAULT_STD",
    "Conv2dSame",
    "build_model_with_cfg",
    "group_with_matcher",
    "pad_same",
    "register_model",
    "timm",
]

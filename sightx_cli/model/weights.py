"""Pretrained weights, offline first: the user's file, the package that ships them, the folder of weights, the local
cache, the hub.

Random weights never silently replace pretrained ones: if none are available, the error names the file to bring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from sightx_cli.errors import WeightsError, quote
from sightx_cli.model.backbone import find_normalisation, find_own_size
from sightx_cli.model.checkpoint import read_checkpoint, read_normalisation
from sightx_cli.model.combined_network import INPUTS, CombinedNetwork, split_backbone
from sightx_cli.model.image_sizes import fix_size
from sightx_cli.model.match import Match, match_tensors
from sightx_cli.model.packaged import digest_weights, find_packaged_file
from sightx_cli.model.tensor_values import build_oddity_error, find_zero_tensors, split_plain
from sightx_cli.model.timm_parts import timm
from sightx_cli.model.weights_at_hand import (
    describe_place,
    find_cached_file,
    find_folder_file,
    find_repository,
    find_weights_folder,
)
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.recipe.values import BESIDE

HUB_SECONDS = 10.0
"""How long the hub may take to answer before it counts as unreachable."""


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from, what identifies them, and the normalisation they expect."""

    origin: str
    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tensors: dict[str, Tensor] | None
    """The state dict under timm's names; None for random weights."""
    normalised_by: Literal["option", "file", "timm", "run"] = "timm"
    """Who gave the mean and the deviation: the user, the file, timm for its own weights of this network, or the run
    that a fit starts from."""
    match: Match | None = None
    """How the user's file fitted; None for weights of any other origin."""
    zeros: tuple[str, ...] = ()
    """The tensors of the user's file whose weights are all 0."""
    parts: tuple[Weights, ...] = ()
    """Of several networks side by side that have their own: those of each."""

    @property
    def unsure(self) -> bool:
        """Whether the normalisation is unknown, so that timm's for other weights is assumed."""
        return self.match is not None and self.normalised_by == "timm"


def find_weights(backbone: str, network: nn.Module, file: WeightsFile | None = None, scratch: bool = False) -> Weights:
    """Find pretrained weights for a timm network in the order of the module's first line.

    Raises WeightsError when the file does not fit, or when no weights are available.
    """
    if isinstance(network, CombinedNetwork):
        return _find_combined(backbone, network, file, scratch)
    mean, std = find_normalisation(backbone)
    if scratch:
        return Weights("random (the recipe trains from scratch)", "scratch", mean, std, None)
    if file is not None:
        return _load_file(file, network, mean, std)
    packaged = find_packaged_file(backbone)
    if packaged is not None:
        path, package = packaged
        return Weights(f"package {package}", digest_weights(path), mean, std, _renamed_in_order(path, network))
    if (brought := find_folder_file(backbone)) is not None:
        return Weights(str(brought), digest_weights(brought), mean, std, _hub_tensors(backbone, brought, network))
    cached = _hub_file(backbone)
    return Weights(f"hub {cached.name}", digest_weights(cached), mean, std, _hub_tensors(backbone, cached, network))


def _find_combined(backbone: str, network: CombinedNetwork, file: WeightsFile | None, scratch: bool) -> Weights:
    """Find the weights of each network by itself, or those of all in one file under their names.

    The normalisation is the first network's: `network` brings its images to that of the others.
    """
    names = split_backbone(backbone)
    if file is not None:
        weights = _load_file(file, network, *find_normalisation(names[0]))
        assert weights.tensors is not None
        if weights.normalised_by != "timm" and not any(name in weights.tensors for name in INPUTS):
            # What is said of the file is said of all its networks; timm's normalisations differ.
            shared = network.share_normalisation() | weights.tensors
            return replace(weights, tensors=shared, digest=f"{weights.digest} one normalisation")
        return weights
    parts = []
    for name, member in zip(names, network.members, strict=True):
        try:
            parts.append(find_weights(name, member, scratch=scratch))
        except WeightsError as error:
            raise WeightsError(str(error), _say_how_to_bring(name, names)) from error
    first = parts[0]
    if scratch:
        return first
    tensors = {
        f"{key}.{name}": tensor
        for key, part in zip(network.keys, parts, strict=True)
        for name, tensor in (part.tensors or {}).items()
    }
    digest = "+".join(
        part.digest + (f" mean {part.mean} std {part.std}" if (part.mean, part.std) != (first.mean, first.std) else "")
        for part in parts
    )
    origin = " + ".join(part.origin for part in parts)
    return Weights(origin, digest, first.mean, first.std, tensors, parts=tuple(parts))


def _say_how_to_bring(name: str, names: Sequence[str]) -> str:
    """Say how one of several networks gets its weights, where they are not at hand."""
    without = f"leave it out: --backbone {quote(BESIDE.join(one for one in names if one != name))}"
    repository, folder = find_repository(name), find_weights_folder()
    if repository is None or folder is None:
        return f"{without}, or give one file with the weights of all with --weights FILE"
    return (
        f"download model.safetensors of {repository} on a machine with a network and save it as "
        f"{quote(folder / f'{name}.safetensors')}, or {without}"
    )


def _check_each(names: Iterable[str], network: CombinedNetwork, origin: str) -> None:
    """Raise WeightsError where a file lacks one of the networks."""
    dotted = [f".{name}" for name in names]
    lacking = [key for key in network.keys if not any(f".{key}." in name for name in dotted)]
    if lacking:
        raise WeightsError(
            f"{origin}: no name in it has {lacking[0]} in front, and one file must hold the weights of all "
            f"{len(network.keys)} networks",
            f"omit --weights, and each network's own weights are found; or give a file whose names begin with "
            f"{' and '.join(f'{key}.' for key in network.keys)}, such as a run's bundle/weights.safetensors",
        )


def _load_file(file: WeightsFile, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> Weights:
    """Load the user's file; `mean` and `std` are timm's, used if neither the user nor the file gives any."""
    found, said = read_checkpoint(file.path)
    plain, odd = split_plain(found)
    if isinstance(network, CombinedNetwork):
        _check_each(found, network, str(file.path))
    try:
        match = match_tensors(plain, network, str(file.path), file.prefix)
    except WeightsError as error:
        if odd:
            raise build_oddity_error(odd, str(file.path)) from error
        raise
    zeros = find_zero_tensors({k: v for k, v in match.tensors.items() if k not in INPUTS}, str(file.path))
    normalised_by: Literal["option", "file", "timm"] = "option"
    normalisation = file.normalisation
    if normalisation is None:
        normalised_by, normalisation = "file", read_normalisation(said, file.path)
    if normalisation is None:
        normalised_by, normalisation = "timm", (mean, std)
    mean, std = normalisation
    if match.one_channel and (normalised_by == "timm" or len({*zip(mean, std, strict=True)}) > 1):
        raise WeightsError(
            f"{file.path}: these weights read one grey channel, and "
            + ("its normalisation is unknown" if normalised_by == "timm" else "the given normalisation has three"),
            "give one number each, as used in training: --weights-mean 0.5 --weights-std 0.5; for values "
            "from -1024 to 1024, as TorchXRayVision's, --weights-mean 0.5 --weights-std 0.00048828125",
        )
    # The same file under another prefix is other weights, cached separately.
    digest = digest_weights(file.path) + (f" {match.prefix}" if match.prefix else "")
    return Weights(str(file.path.resolve()), digest, mean, std, match.tensors, normalised_by, match, zeros)


def load_weights(network: nn.Module, weights: Weights) -> None:
    """Put the tensors into the network; the names have been checked by `find_weights`."""
    if weights.tensors is not None:
        network.load_state_dict(weights.tensors, strict=False)


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
    from huggingface_hub import constants, get_session, hf_hub_download

    repository = find_repository(backbone)
    if not repository:
        raise WeightsError(
            f'timm has no pretrained weights for "{backbone}"',
            "give a file with --weights FILE, or train from scratch with --set model.weights=scratch",
        )
    if (cached := find_cached_file(repository)) is not None:
        return cached
    try:
        if constants.HF_HUB_OFFLINE:
            raise ConnectionError("HF_HUB_OFFLINE is set")
        # Asked once first: without a network, the download itself tries six times and logs each.
        get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS)
        return Path(hf_hub_download(repository, "model.safetensors", etag_timeout=HUB_SECONDS))
    except Exception as error:
        raise WeightsError(
            f'no weights for "{backbone}": not packaged, not in the local cache, and the hub cannot be reached '
            f"({type(error).__name__})",
            f"download model.safetensors of {repository} on a machine with a network and {describe_place(backbone)}, "
            + "or use a network whose weights are here, such as --backbone tf_efficientnet_lite0 (sightx backbones)",
        ) from error


def _hub_tensors(backbone: str, file: Path, network: nn.Module) -> dict[str, Tensor]:
    """Read a hub file through timm, which knows how to adapt it (its classifier, renamed layers)."""
    own_px = find_own_size(backbone)
    size_px = int(getattr(network, "made_for_px", own_px))
    extra = fix_size(backbone, size_px)
    # A file from the hub has timm's own names, also where timm's usual download is another format ("custom_load").
    overlay: dict[str, object] = {"hf_hub_id": None, "custom_load": False}
    overlay |= {"file": str(file)} if file.suffix == ".safetensors" else {"state_dict": read_checkpoint(file)[0]}
    try:
        loaded = timm.create_model(backbone, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **extra)
    except Exception as error:
        if extra and size_px != own_px:
            raise WeightsError(
                f"{backbone}: its weights are made for {own_px} px, and do not fit a network for {size_px} px",
                "give the size they are made for with --set image.size_px=N: N = " + str(own_px),
            ) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{file}: cannot be read ({reason})",
            "remove it to download it again, or give --weights FILE",
        ) from error
    return dict(loaded.state_dict())

"""Where networks' pretrained weights are on this machine, without network access: packages, a folder, the local cache.

A folder of the user's takes weights where there is no network: `NAME.safetensors`, the `model.safetensors` of timm's
repository of that name, put there by hand. It is read like a download, so the names in it are timm's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sightx_cli.errors import quote
from sightx_cli.model.combined_network import is_combined, split_backbone
from sightx_cli.model.packaged import PACKAGED, find_packaged_file
from sightx_cli.model.timm_parts import timm

AtHand = Literal["file", "packaged", "folder", "cached", "network", "none"]
"""The file is one that the user names."""

FOLDER = "SIGHTX_WEIGHTS"
"""The environment variable that moves the folder of weights."""

CACHED_NAMES = ("model.safetensors", "pytorch_model.bin")
"""What timm loads of a repository, in its order."""

FOLDER_SUFFIXES = (".safetensors", ".bin", ".pth")


@dataclass(frozen=True)
class WeightsPlace:
    """Where a fit would take a network's weights from."""

    name: str
    """The network, as `--backbone` takes it."""
    kind: AtHand
    source: str
    """The package, the repository, or the file."""
    file: Path | None
    """None where they must be downloaded, or exist nowhere."""

    @property
    def is_at_hand(self) -> bool:
        """Whether they are read without a network."""
        return self.file is not None


def find_weights_at_hand(backbone: str) -> AtHand:
    """Return where a fit would find a timm network's weights; of several side by side, those that are furthest away."""
    if is_combined(backbone):
        return max(map(find_weights_at_hand, split_backbone(backbone)), key=get_args(AtHand).index)
    return locate_weights(backbone).kind


def locate_weights(backbone: str) -> WeightsPlace:
    """Find a timm network's weights: a package, the folder of weights, the local cache, a download, or nowhere."""
    if packaged := find_packaged_file(backbone):
        return WeightsPlace(backbone, "packaged", packaged[1], packaged[0])
    if file := find_folder_file(backbone):
        return WeightsPlace(backbone, "folder", str(file), file)
    repository = find_repository(backbone)
    if repository is None:
        return WeightsPlace(backbone, "none", "", None)
    if file := find_cached_file(repository):
        return WeightsPlace(backbone, "cached", repository, file)
    return WeightsPlace(backbone, "network", repository, None)


def find_repository(backbone: str) -> str | None:
    """Return the repository on the hub that holds a timm network's weights."""
    config = timm.get_pretrained_cfg(backbone)
    return (config.hf_hub_id or None) if config else None


def find_cached_file(repository: str) -> Path | None:
    """Return a repository's weights in the local Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, name) for name in CACHED_NAMES)
    return next((Path(file) for file in found if isinstance(file, str)), None)


def find_weights_folder() -> Path | None:
    """Return the user's folder of weights: `SIGHTX_WEIGHTS`, else one beside the user's data; None without a home."""
    if chosen := os.environ.get(FOLDER):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "sightx" / "weights"
    except RuntimeError:
        return None


def find_folder_file(backbone: str) -> Path | None:
    """Return the file of a network in the folder of weights; one under its name without the tag is timm's usual one."""
    folder = find_weights_folder()
    architecture, _, tag = backbone.partition(".")
    usual = timm.get_pretrained_cfg(architecture)
    names = [backbone, *([architecture] if tag and usual is not None and usual.tag == tag else [])]
    files = (folder / f"{name}{suffix}" for name in names for suffix in FOLDER_SUFFIXES) if folder is not None else ()
    return next((file for file in files if file.is_file()), None)


def describe_place(backbone: str) -> str:
    """Say what to do with a file of a network's weights that was brought here by hand."""
    folder = find_weights_folder()
    given = "give it with --weights FILE"
    return given if folder is None else f"save it as {quote(folder / f'{backbone}.safetensors')}, or {given}"


def list_folder_files() -> list[Path]:
    """List the files in the folder of weights, by name."""
    folder = find_weights_folder()
    if folder is None or not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix in FOLDER_SUFFIXES and file.is_file())


def list_networks_at_hand() -> tuple[list[WeightsPlace], list[Path]]:
    """List the networks whose weights are read without a network; and files in the folder of weights named like none.

    Each network once, as it is typed: one that a package ships under its plain name.
    """
    found = [place for name in PACKAGED if (place := locate_weights(name)).is_at_hand]
    strange, known = [], {*timm.list_models(), *timm.list_pretrained()}
    for file in list_folder_files():
        if file.stem not in known:
            strange.append(file)
        elif (place := locate_weights(file.stem)).kind == "folder":
            found.append(place)
    names = {place.name for place in found}
    for name in _list_cached_names():
        if name not in names and (place := locate_weights(name)).kind == "cached":
            found.append(place)
    return found, strange


def _list_cached_names() -> Iterator[str]:
    """List timm's pretrained networks of whose repositories the local cache holds anything."""
    from huggingface_hub import constants

    try:
        folders = {folder.name for folder in Path(constants.HF_HUB_CACHE).iterdir()}
    except OSError:
        return
    for name in timm.list_pretrained():
        repository = find_repository(name)
        if repository and f"models--{repository.replace('/', '--')}" in folders:
            yield name


def list_online(pattern: str) -> list[str]:
    """List timm's networks with published weights whose names fit a pattern; a word alone may stand anywhere in it."""
    pattern = pattern.strip().lower()  # as all of timm's names are
    wanted: Any = pattern if any(one in pattern for one in "*?[") else f"*{pattern}*"
    return [name for name in timm.list_models(wanted, pretrained=True) if find_repository(name)]

"""Where a network's pretrained weights would come from on this machine, without network access."""

from __future__ import annotations

from typing import Literal, get_args

from sightx_cli.model.combined_network import is_combined, split_backbone
from sightx_cli.model.packaged import find_packaged_file
from sightx_cli.model.timm_parts import timm

AtHand = Literal["packaged", "cached", "network", "none"]


def find_weights_at_hand(backbone: str) -> AtHand:
    """Return where a fit would find a timm network's weights: a package, the local cache, a download, or nowhere.

    Of several side by side, where it would find those that are the furthest away.
    """
    if is_combined(backbone):
        return max(map(find_weights_at_hand, split_backbone(backbone)), key=get_args(AtHand).index)
    if find_packaged_file(backbone) is not None:
        return "packaged"
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(backbone)
    repository = config.hf_hub_id if config else None
    if not repository:
        return "none"
    return "cached" if isinstance(try_to_load_from_cache(repository, "model.safetensors"), str) else "network"

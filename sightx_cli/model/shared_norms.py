"""BatchNorm over the whole batch where several GPUs have a part of it each.

The norms become torch's and timm's synchronised ones in place, and back: stages, taps and callbacks hold the modules
themselves, which torch's and timm's own conversions would replace (torch's also loses the activation that timm's norms
apply). See torch.nn.SyncBatchNorm and timm.layers.norm_act.
"""

from __future__ import annotations

from timm.layers.norm_act import BatchNormAct2d, SyncBatchNormAct
from torch import nn

SHARED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: nn.SyncBatchNorm,
    nn.BatchNorm2d: nn.SyncBatchNorm,
    BatchNormAct2d: SyncBatchNormAct,
}
OWN = "norm_before_sharing"
"""The attribute that holds what a norm was."""


def share_norms(model: nn.Module) -> int:
    """Let the norms of a model normalise over all processes; returns how many there are."""
    norms = [module for module in model.modules() if type(module) in SHARED]
    for norm in norms:
        setattr(norm, OWN, type(norm))
        setattr(norm, "process_group", None)  # noqa: B010 (all processes; torch types no such attribute)
        norm.__class__ = SHARED[type(norm)]
    return len(norms)


def unshare_norms(model: nn.Module) -> None:
    """Let the norms be what they were."""
    for norm in [module for module in model.modules() if hasattr(module, OWN)]:
        norm.__class__ = getattr(norm, OWN)
        delattr(norm, OWN)

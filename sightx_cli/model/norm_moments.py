"""The inputs of a network's last norms, compared with those for the images it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sightx_cli.model.backbone import build_network
from sightx_cli.model.weights import Weights, find_weights, load_weights


class NormMoments(nn.Module):
    """A network whose forward returns, per image, the moments of the inputs of its last BatchNorms.

    Each value is standardised by the norm's running mean and deviation, z = (x − μ) / s, so that over the images the
    network was trained on each channel has mean 0 and variance 1. `forward` takes normalised images (N, 3, H, W) and
    returns, for each of the last `norms` BatchNorms, earliest first, the mean of z over the positions and its variance
    over the positions of that image: (N, C) and (N, C). A channel whose running variance is 0 is left out: it was
    constant for the training images too.
    """

    def __init__(self, network: nn.Module, norms: int) -> None:
        super().__init__()
        self.network = network.eval()
        self.norms = norms
        self._fed: list[Tensor] = []
        for norm in [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)][-norms:]:
            norm.register_forward_pre_hook(self._hear)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the moments in the order of `output_names`."""
        self._fed.clear()
        self.network(images)
        return tuple(self._fed)

    def output_names(self) -> tuple[str, ...]:
        """Name each output of `forward`: mean_0, variance_0, mean_1, …"""
        return tuple(f"{kind}_{number}" for number in range(self.norms) for kind in ("mean", "variance"))

    def _hear(self, norm: nn.BatchNorm2d, fed: Sequence[Tensor]) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        alive = norm.running_var.nonzero().squeeze(1)
        mean, deviation = norm.running_mean[alive].view(1, -1, 1, 1), norm.running_var[alive].sqrt().view(1, -1, 1, 1)
        standard = (fed[0].index_select(1, alive) - mean) / deviation
        means = standard.mean((2, 3))
        # Not E[z²] − E[z]²: in float32 that loses the small variances, and those tell the most.
        self._fed += [means, (standard - means[:, :, None, None]).square().mean((2, 3))]


def build_norm_moments(backbone: str, size_px: int, norms: int) -> tuple[NormMoments, Weights]:
    """Build the moments of a pretrained timm network; raises WeightsError when its weights are not available."""
    network = build_network(backbone, size_px)
    weights = find_weights(backbone, network)
    load_weights(network, weights)
    return NormMoments(network, norms), weights

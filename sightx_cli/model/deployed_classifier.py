"""The classifier as it leaves the house: uint8 pixels in, tempered probabilities out, everything between inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DeployedClassifier(nn.Module):
    """Normalisation, network, head, temperature and activation as one module, for formats that keep a whole program."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        classifier: nn.Module,
        activation: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.classifier, self.activation, self.temperature = classifier, activation, temperature
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Return the probabilities (N, C) of images (N, S, S, 3) uint8 RGB."""
        normalised = (image.permute(0, 3, 1, 2).float() - self.mean) / self.std
        logits = self.classifier(normalised)
        probabilities: Tensor = self.activation(logits / self.temperature)
        return probabilities

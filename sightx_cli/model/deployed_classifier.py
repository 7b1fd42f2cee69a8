"""The classifier as it leaves the house: uint8 pixels in, tempered probabilities out, everything between inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightx_cli.model.classifier import complete_classifier


class DeployedClassifier(nn.Module):
    """Normalisation, network, head, temperature and activation as one module, for formats that keep a whole program."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        classifier: nn.Sequential,
        activation: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        temperature: float = 1.0,
        distances: ImageDistance | None = None,
        stages: int = 0,
    ) -> None:
        super().__init__()
        tempered = nn.Sequential(LogitScale(temperature), activation)
        self.distances, self.activation = distances, tempered
        self.classifier: nn.Module = classifier.cpu().eval()
        if distances is not None:
            self.classifier, _ = complete_classifier(classifier, tempered, stages)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the probabilities (N, C) of images (N, S, S, 3) uint8 RGB; their distances (N,) where asked for."""
        normalised = (image.permute(0, 3, 1, 2).float() - self.mean) / self.std
        if self.distances is None:
            return self.activation(self.classifier(normalised))  # type: ignore[no-any-return]  # as all of torch
        probabilities, features = self.classifier(normalised)
        return probabilities, self.distances(features)


class LogitScale(nn.Module):
    """Divides logits by a temperature."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, values: Tensor) -> Tensor:
        """Return the values divided."""
        return values / self.by


class ImageDistance(nn.Module):
    """How far images lie from the training images, as `bundle.familiarity` measures it of features (N, F)."""

    vectors: Tensor

    def __init__(self, vectors: NDArray[np.float32], neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.register_buffer("vectors", torch.from_numpy(np.ascontiguousarray(vectors.T)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean distance to the nearest training images, (N,)."""
        length = features.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12)
        apart = (2 - 2 * (features / length) @ self.vectors).clamp(min=0).sqrt()
        return apart.topk(self.neighbours, dim=1, largest=False).values.mean(1)

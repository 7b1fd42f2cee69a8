"""A trained classifier to be written, and what each part of a bundle answers for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sightx_cli.bundle.facts import BundleFacts

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Product:
    """A trained classifier, and the facts that prediction needs."""

    model: nn.Sequential
    """Backbone and head: normalised images in, logits out."""
    facts: BundleFacts
    features_graph: Path | None = None
    """The kept graph from images to the features that the head reads; None where the backbone trained, or is not kept.

    It serves a linear head only: with hidden layers there is none.
    """
    frozen_stages: int = 0
    """How many stages of the backbone no training changed; the graph gives their features too, unless it is 0."""


class BundlePart(Protocol):
    """One form of a trained model that every bundle holds."""

    name: str
    files: tuple[str, ...]
    """The names of what it writes."""

    def write(self, product: Product, folder: Path) -> str:
        """Write the files into a folder that is there; returns why not where this network cannot be, else "".

        Raises OSError when the disk is full.
        """

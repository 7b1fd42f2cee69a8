"""The result of `backbones`: the networks that a fit can start from here, and how each does on the user's images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object
from sightx_cli.results.probe import Trial


@dataclass(frozen=True)
class NetworkSpeed:
    """How many images a second pass through a whole network on one machine, without reading them."""

    images_per_second: Mapping[str, float]
    """By what it computes in: float32, and the half precision where that is faster here."""
    engine: str
    processor: str
    threads: int
    measured: str
    """The day, as 2026-05-31."""


@dataclass(frozen=True)
class NetworkCandidate:
    """A network without its classifier, at the size it was made for, and where its weights are."""

    name: str
    """As `--backbone` takes it; of a file that the user named, with the file's name behind it."""
    weights: str
    """file, packaged, folder, cached, network or none."""
    source: str
    """The package, file or repository that holds its weights."""
    weights_bytes: int | None
    """Of the file; of one that must be downloaded, four bytes for each parameter. None where nothing was counted."""
    size_px: int
    parameters: int | None = None
    macs: int | None = None
    features: int | None = None
    stages: int | None = None
    can_be_cut: bool | None = None
    """Whether it runs stage by stage, so that its last stages train on cached outputs of the others."""
    speed: NetworkSpeed | None = None


@dataclass(frozen=True)
class ProbedNetwork:
    """A network with a linear head on the user's training images, cross-validated."""

    name: str
    size_px: int
    log_loss: float
    trial: Trial


@dataclass(frozen=True)
class BackboneProbe:
    """The networks at hand on the user's images, the cheapest first, and the one to take."""

    source: str
    recipe: str
    metric: str
    images: int
    networks: tuple[ProbedNetwork, ...]
    untried: tuple[str, ...]
    """What was not tried, and why: a line each."""
    command: str
    """What to type to train with the one chosen."""

    @property
    def chosen(self) -> ProbedNetwork:
        """The network to take."""
        return next(one for one in self.networks if one.trial.chosen)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON: the figures of each network side by side with its name."""
        networks = [
            {
                "name": one.name,
                "size_px": one.size_px,
                "mean": one.trial.mean,
                "standard_error": one.trial.standard_error,
                "log_loss": one.log_loss,
                "log_loss_behind": one.trial.log_loss_behind,
                "log_loss_error": one.trial.log_loss_error,
                "seconds": one.trial.seconds,
                "chosen": one.trial.chosen,
            }
            for one in self.networks
        ]
        return to_object({**vars(self), "networks": networks, "chosen": self.chosen.name})


@dataclass(frozen=True)
class BackbonesResult:
    """The networks at hand, or those that timm could download, the cheapest first."""

    networks: tuple[NetworkCandidate, ...]
    online: str | None
    """The pattern that was looked for among timm's published networks; None for what is at hand."""
    probe: BackboneProbe | None
    notices: tuple[Notice, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `backbones`."""
        return to_object(vars(self)) | {"seconds": round(self.seconds, 3)}

"""What an audit found: of one network with a head, perhaps as a recipe trains it, and of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from sightx_cli.recipe.capacity import Capacity
from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class StageCost:
    """One stage of the network, or the head: its size, and the cost of one image in it.

    `activation_bytes` is the size of its activations for one image in float32, about what training has to store.
    `map_shapes` are without the batch, one of each network that stands side by side with others; none if the network
    runs as one step and has no module of that name.
    """

    name: str
    parameters: int
    map_shapes: tuple[tuple[int, ...], ...]
    macs: int
    activation_bytes: int

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of what the stage gives; of several networks, the number of values of all their maps."""
        if len(self.map_shapes) > 1:
            return (sum(map(prod, self.map_shapes)),)
        return self.map_shapes[0] if self.map_shapes else None


@dataclass(frozen=True)
class NetworkShare:
    """One of several networks side by side: what it holds, and costs for one image."""

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class NetworkCost:
    """A classifier's cost by stage, earliest first and the head last, measured with one image."""

    stages: tuple[StageCost, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    features: int
    is_finite: bool
    """Whether a random image gave finite logits; also False on torch's meta device, which has no numbers."""
    why_uncut: str
    """Why the network cannot be cut between its stages; empty where it can."""
    networks: tuple[NetworkShare, ...] = ()
    """Where several networks are side by side: each of them."""

    @property
    def can_be_cut(self) -> bool:
        """Whether the network can be cut between its stages."""
        return not self.why_uncut

    @property
    def total(self) -> int:
        """The number of parameters."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def macs(self) -> int:
        """The multiply-adds of one image."""
        return sum(stage.macs for stage in self.stages)

    @property
    def activation_bytes(self) -> int:
        """The bytes of activations for one image."""
        return sum(stage.activation_bytes for stage in self.stages)


@dataclass(frozen=True)
class TrainingAudit:
    """One training stage of a recipe: how much of each stage of the network (the head last) trains, at which rates.

    If parts join on the way, `trainable_of` and `rates_of` are those at the end. A stage of the network has several
    rates if its parts learn at different ones. `cut` is the boundary after which something trains.
    """

    title: str
    epochs: int
    trainable_of: tuple[int, ...]
    rates_of: tuple[tuple[float, ...], ...]
    cut: int
    trainable_after: tuple[tuple[int, int], ...]
    """(epochs done, parameters that train from then on): at the stage's start, and whenever something joins."""

    @property
    def trainable(self) -> int:
        """The number of parameters that train."""
        return sum(self.trainable_of)


@dataclass(frozen=True)
class KeptOutput:
    """One output of the frozen part that the store keeps of each view: where it leaves the network, shape, bytes."""

    name: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class AuditResult:
    """A network by stage: what it holds and costs, what of it trains at which rates, what its frozen part keeps."""

    backbone: str
    recipe: str | None
    """None where only a backbone was named: then nothing is said of rates."""
    run: Path | None
    classes: int
    is_classes_given: bool
    size_px: int
    cost: NetworkCost
    training: tuple[TrainingAudit, ...]
    """One for each training stage, in order; the last says what trains in the end."""
    kept: tuple[KeptOutput, ...]
    views: int
    capacity: Capacity | None
    why: str | None
    """Why the trainable share is high; None where it is not."""

    @property
    def final(self) -> TrainingAudit:
        """The last training stage: what ends up training."""
        return self.training[-1]

    @property
    def trainable_percent(self) -> float:
        """The share of the parameters that train in the last training stage."""
        return self.percent(self.final.trainable)

    @property
    def bytes_per_reading(self) -> int:
        """What the store keeps of one view of an image."""
        return sum(output.bytes for output in self.kept)

    def percent(self, trainable: int) -> float:
        """Return so many parameters as a percentage of all."""
        return 100 * trainable / self.cost.total

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `audit`."""
        cost, named = self.cost, self.recipe is not None
        shown = {
            "recipe": self.recipe,
            "run": self.run,
            "backbone": self.backbone,
            **({"networks": cost.networks} if cost.networks else {}),
            "classes": self.classes,
            "size_px": self.size_px,
            "total": cost.total,
            "trainable": self.final.trainable,
            "trainable_percent": round(self.trainable_percent, 2),
            "macs": cost.macs,
            "activation_bytes": cost.activation_bytes,
            "features": cost.features,
            "input_shape": cost.input_shape,
            "output_shape": cost.output_shape,
            "finite": cost.is_finite,
            "can_be_cut": cost.can_be_cut,
            "why_uncut": cost.why_uncut or None,
            "training_stage": self.final.title if named else None,
            "stages": [
                {
                    "name": stage.name,
                    "parameters": stage.parameters,
                    "trainable": trainable,
                    "rate": to_rate(rates) if named else None,
                    "output_shape": stage.output_shape,
                    **({"map_shapes": stage.map_shapes} if len(stage.map_shapes) > 1 else {}),
                    "macs": stage.macs,
                    "activation_bytes": stage.activation_bytes,
                }
                for stage, trainable, rates in zip(
                    cost.stages, self.final.trainable_of, self.final.rates_of, strict=True
                )
            ],
            "training_stages": [self._stage_to_json(stage) for stage in self.training] if named else [],
            "store": {
                "outputs": self.kept,
                "bytes_per_reading": self.bytes_per_reading,
                "views": self.views,
                "bytes_per_image": self.views * self.bytes_per_reading,
            },
            "data": self.capacity,
            "why": self.why,
        }
        return to_object(shown)

    def _stage_to_json(self, stage: TrainingAudit) -> dict[str, Any]:
        rates = {one.name: to_rate(found) for one, found in zip(self.cost.stages, stage.rates_of, strict=True) if found}
        return {
            "name": stage.title,
            "epochs": stage.epochs,
            "trainable": stage.trainable,
            "trainable_percent": round(self.percent(stage.trainable), 2),
            "joins": [{"after": after, "trainable": trainable} for after, trainable in stage.trainable_after[1:]],
            "rates": rates,
            "frozen_stages": stage.cut,
        }


def to_rate(rates: Sequence[float]) -> float | list[float] | None:
    """Give a stage's rate as JSON has it: a number, a list where its parts have different ones, null where frozen."""
    return None if not rates else rates[0] if len(rates) == 1 else list(rates)


@dataclass(frozen=True)
class BackboneFacts:
    """One backbone of a comparison, with a linear classifier, at the size it was made for."""

    name: str
    size_px: int
    parameters: int
    macs: int
    features: int
    stages: tuple[str, ...]
    activation_bytes: int
    weights: str
    """packaged, cached, network or none: where its pretrained weights come from on this machine."""
    store: dict[str, int]
    """Bytes that the store keeps of one view, by what trains: head, last:1, last:2."""


@dataclass(frozen=True)
class BackboneComparison:
    """Backbones side by side."""

    classes: int
    is_original: bool
    """Whether each is counted with a classifier for ImageNet's classes, as the published figures are."""
    backbones: tuple[BackboneFacts, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        return to_object({"classes": self.classes, "backbones": self.backbones})

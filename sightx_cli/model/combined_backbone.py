"""Several networks as one backbone: stages, taps and features side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sightx_cli.model.backbone import Backbone
from sightx_cli.model.combined_network import CombinedNetwork, align_ends
from sightx_cli.model.stages import Stage, StagedNetwork

Shapes = tuple[tuple[int, ...], ...]
"""What each network hands on at one boundary between stages; its images where it has not begun."""


@dataclass(frozen=True)
class Member:
    """One of the networks: its place among them, what its tensors' names begin with, and the stage it begins with."""

    number: int
    key: str
    backbone: Backbone
    """The network by itself, reading images in its own normalisation; it shares the modules."""
    begin: int

    def has_begun(self, place: int) -> bool:
        """Tell whether a stage of all is one of this network's."""
        return place >= self.begin

    def find_shape(self, place: int, size_px: int) -> tuple[int, ...]:
        """Return the shape of what the network hands on after a stage of all."""
        return self.backbone.map_shapes[place - self.begin] if self.has_begun(place) else (3, size_px, size_px)

    def count_moments(self, place: int) -> int:
        """Count the features of the network's tap at a stage of all."""
        return self.backbone.count_moments(place - self.begin) if self.has_begun(place) else 0


class CombinedBackbone(Backbone):
    """Networks that read the same images side by side, as one `Backbone` (see `model.combined_network`).

    Stages are counted from the end: the last stage is the last of each network, and where one has fewer, the earliest
    stages are those of the others alone. Features are laid out tap by tap, (tap 0 of each network, tap 1 of each, …,
    the last output of each), so that fewer taps are the last columns here too. Between two stages the maps of all
    networks are one row of numbers (N, L), so that the backbone can be cut wherever all of them can; a network that has
    not begun there is in it with its images.
    """

    def divide(self, size_px: int) -> StagedNetwork:
        """Divide each network into stages, and align them at their ends."""
        network: CombinedNetwork = self.network
        alone = [Backbone(one, pool=self.pool, size_px=size_px).eval() for one in network.members]
        begins = align_ends([len(one.stages) for one in alone])
        parts = zip(network.keys, alone, begins, strict=True)
        self.members = tuple(Member(number, *part) for number, part in enumerate(parts))
        places = range(max(len(one.stages) for one in alone))
        self._shapes: tuple[Shapes, ...] = tuple(
            tuple(member.find_shape(place, size_px) for member in self.members) for place in places
        )
        stages = tuple(self._combine_stages(place) for place in places)
        lengths = tuple((sum(map(math.prod, shapes)),) for shapes in self._shapes)
        last = torch.zeros(1, *lengths[-1], device=next(network.parameters()).device)
        why = (f"{one.key}: {one.backbone.why_uncut}" for one in self.members if one.backbone.why_uncut)
        return StagedNetwork(stages, lengths, ((),) * len(lengths), last, next(why, ""))

    def _combine_stages(self, place: int) -> Stage:
        stages = [(one.key, one.backbone.stages[place - one.begin]) for one in self.members if one.has_begun(place)]
        name = "+".join(dict.fromkeys(stage.name for _, stage in stages))
        owned = tuple(f"{key}.{parameter}" for key, stage in stages for parameter in stage.parameters)
        return Stage(name, partial(run_joined, self.network, self.members, self._find_shapes(place), place), owned)

    def _find_shapes(self, boundary: int) -> Shapes | None:
        """Return what the networks hand on after so many stages; None at the start, where all read the images."""
        return self._shapes[boundary - 1] if boundary else None

    def count_moments(self, tap: int) -> int:
        """Count the features of a tap: those of each network."""
        return sum(member.count_moments(tap) for member in self.members)

    def list_networks(self, images: Tensor) -> list[tuple[Backbone, Tensor, tuple[int, ...], Tensor]]:
        """List each network, the images as it reads them, the stages tapped, and the columns of its features."""
        widths = [[member.count_moments(tap) for member in self.members] for tap in self.tapped]
        widths.append([member.backbone.feature_count for member in self.members])
        owner = torch.tensor([number for row in widths for number, width in enumerate(row) for _ in range(width)])
        return [
            (
                member.backbone,
                self.network.normalise(images, member.number),
                tuple(tap - member.begin for tap in self.tapped if member.has_begun(tap)),
                (owner == member.number).nonzero().flatten(),
            )
            for member in self.members
        ]

    def list_map_shapes(self, place: int) -> Shapes:
        """List the shapes of the maps behind a stage: one of each network that has begun."""
        return tuple(self._shapes[place][member.number] for member in self.members if member.has_begun(place))

    def run_stages(self, features: Tensor, start: int, stop: int) -> tuple[Tensor, list[Tensor]]:
        """Run stages `start` to `stop` - 1; return the joined last maps and the pooled taps among them.

        `features` are the images (N, 3, S, S) where `start` is 0, else the joined maps (N, L).
        """
        if start == stop:
            return features, []
        maps, taps = self._run_apart(features, start, stop)
        return join_maps(maps), taps

    def _run_apart(self, features: Tensor, start: int, stop: int) -> tuple[list[Tensor], list[Tensor]]:
        maps, taps = split_maps(features, self._find_shapes(start), len(self.members)), []
        for place in range(start, stop):
            maps = run_each(self.network, self.members, maps, place)
            if place in self.tapped:
                taps.append(self._pool_each(maps, place))
        return maps, taps

    def _pool_each(self, maps: Sequence[Tensor], place: int) -> Tensor:
        begun = [member for member in self.members if member.has_begun(place)]
        return torch.cat([one.backbone.pool_stage(maps[one.number], place - one.begin) for one in begun], dim=1)

    def pool_stage(self, features: Tensor, place: int) -> Tensor:
        """Return the moments of each network's map behind a stage, side by side."""
        return self._pool_each(split_maps(features, self._shapes[place], len(self.members)), place)

    def pool_last(self, features: Tensor) -> Tensor:
        """Pool each network's last map as that network does, or flatten it; side by side."""
        return self._pool_last_each(split_maps(features, self._shapes[-1], len(self.members)))

    def _pool_last_each(self, maps: Sequence[Tensor]) -> Tensor:
        return torch.cat([one.backbone.pool_last(maps[one.number]) for one in self.members], dim=1)

    def finish(self, features: Tensor, start: int) -> list[Tensor]:
        """Run the stages from `start` on; return the pooled taps among them, and the pooled last maps."""
        maps, taps = self._run_apart(features, start, len(self.stages))
        return [*taps, self._pool_last_each(maps)]

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (N, F) of images (N, 3, H, W), normalised for the first network."""
        if self.tapped:
            return torch.cat(self.finish(images, 0), dim=1)
        return torch.cat([one.backbone(self.network.normalise(images, one.number)) for one in self.members], dim=1)


def run_each(network: CombinedNetwork, members: Sequence[Member], maps: Sequence[Tensor], place: int) -> list[Tensor]:
    """Run one stage of each network on its own map; one that has not begun hands its images on."""
    behind = list(maps)
    for one in members:
        if place == one.begin:
            behind[one.number] = network.normalise(behind[one.number], one.number)
        if one.has_begun(place):
            behind[one.number] = one.backbone.stages[place - one.begin].run(behind[one.number])
    return behind


def run_joined(
    network: CombinedNetwork, members: Sequence[Member], shapes: Shapes | None, place: int, features: Tensor
) -> Tensor:
    """Run one stage of each network on joined maps, or on the images at the start; return the joined maps behind it."""
    return join_maps(run_each(network, members, split_maps(features, shapes, len(members)), place))


def split_maps(features: Tensor, shapes: Shapes | None, networks: int) -> list[Tensor]:
    """Return the map of each network from joined maps (N, L); where there are no shapes, the images for each."""
    if shapes is None:
        return [features] * networks
    rows = torch.split(features, [math.prod(shape) for shape in shapes], dim=1)
    return [row.reshape(-1, *shape) for row, shape in zip(rows, shapes, strict=True)]


def join_maps(maps: Sequence[Tensor]) -> Tensor:
    """Join the maps of several networks into one row of numbers for each image, (N, L)."""
    return torch.cat([one.flatten(1) for one in maps], dim=1)


def assemble_backbone(network: nn.Module, taps: str = "last", pool: str = "avg", size_px: int = 224) -> Backbone:
    """Make a backbone of a network, or of several side by side."""
    kind = CombinedBackbone if isinstance(network, CombinedNetwork) else Backbone
    return kind(network, taps, pool, size_px)

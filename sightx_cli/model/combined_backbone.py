"""Several networks as one backbone: stages, taps and features side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.model.backbone import Backbone
from sightx_cli.model.combined_network import CombinedNetwork, align_ends
from sightx_cli.model.stages import Stage, StagedNetwork


class CombinedBackbone(Backbone):
    """Networks that read the same images side by side, as one `Backbone` (see `model.combined_network`).

    Stages are counted from the end: the last stage is the last of each network, and where one has fewer, the earliest
    stages are those of the others alone. Features are laid out tap by tap, (tap 0 of each network, tap 1 of each, …,
    the last output of each), so that fewer taps are the last columns here too. Between two stages the maps of all
    networks are one row of numbers (N, L), so that the backbone can be cut wherever all of them can; a network that has
    not begun there is in it with its images.
    """

    def _stage(self, size_px: int) -> StagedNetwork:
        self.members = tuple(Backbone(one, pool=self.pool, size_px=size_px) for one in self.network.members)
        """Each network by itself, reading images in its own normalisation; they share its modules."""
        counts = [len(member.stages) for member in self.members]
        self.begins = align_ends(counts)
        """The stage with which each network begins."""
        places = range(max(counts))
        stages = tuple(Stage(self._name(place), self._build_step(place), self._own(place)) for place in places)
        self._shapes = [[self._shape(member, place, size_px) for member in range(len(counts))] for place in places]
        lengths = tuple((sum(map(math.prod, shapes)),) for shapes in self._shapes)
        last = torch.zeros(1, *lengths[-1], device=next(self.network.parameters()).device)
        uncut = ((key, one.why_uncut) for key, one in zip(self.network.keys, self.members, strict=True))
        why = (f"{key}: {reason}" for key, reason in uncut if reason)
        return StagedNetwork(stages, lengths, ((),) * len(lengths), last, next(why, ""))

    def _name(self, place: int) -> str:
        names = [one.stages[place - begin].name for one, begin in self._begun(place)]
        return "+".join(dict.fromkeys(names))

    def _own(self, place: int) -> tuple[str, ...]:
        return tuple(
            f"{key}.{name}"
            for key, one, begin in zip(self.network.keys, self.members, self.begins, strict=True)
            if begin <= place
            for name in one.stages[place - begin].parameters
        )

    def _begun(self, place: int) -> list[tuple[Backbone, int]]:
        pairs = zip(self.members, self.begins, strict=True)
        return [(one, begin) for one, begin in pairs if begin <= place]

    def _shape(self, member: int, place: int, size_px: int) -> tuple[int, ...]:
        """Return the shape of what a network hands on after a stage."""
        begin = self.begins[member]
        return self.members[member].map_shapes[place - begin] if begin <= place else (3, size_px, size_px)

    def _build_step(self, place: int) -> Any:
        return lambda features: self.run_stages(features, place, place + 1)[0]

    def _count_moments(self, tap: int) -> int:
        return sum(self._count_moments_of_each(tap))

    def _count_moments_of_each(self, tap: int) -> list[int]:
        pairs = zip(self.members, self.begins, strict=True)
        return [one._count_moments(tap - begin) if begin <= tap else 0 for one, begin in pairs]

    def list_networks(self, images: Tensor) -> list[tuple[Backbone, Tensor, tuple[int, ...], Tensor]]:
        """List each network, the images as it reads them, the stages tapped, and the columns of its features."""
        owners = [
            torch.full((width,), member)
            for tap in self.tapped
            for member, width in enumerate(self._count_moments_of_each(tap))
        ]
        owners += [torch.full((one.feature_count,), member) for member, one in enumerate(self.members)]
        owner = torch.cat(owners)
        return [
            (
                one,
                self.network.normalise(images, member),
                tuple(tap - begin for tap in self.tapped if tap >= begin),
                (owner == member).nonzero().flatten(),
            )
            for member, (one, begin) in enumerate(zip(self.members, self.begins, strict=True))
        ]

    def list_map_shapes(self, place: int) -> tuple[tuple[int, ...], ...]:
        """List the shapes of the maps behind a stage: one of each network that has begun."""
        shapes = zip(self._shapes[place], self.begins, strict=True)
        return tuple(shape for shape, begin in shapes if begin <= place)

    def run_stages(self, features: Tensor, start: int, stop: int) -> tuple[Tensor, list[Tensor]]:
        """Run stages `start` to `stop` - 1; return the joined last maps and the pooled taps among them.

        `features` are the images (N, 3, S, S) where `start` is 0, else the joined maps (N, L).
        """
        if start == stop:
            return features, []
        maps, taps = self._run_maps(self.split_maps(features, start), start, stop)
        return torch.cat([one.flatten(1) for one in maps], dim=1), taps

    def _run_maps(self, maps: list[Tensor], start: int, stop: int) -> tuple[list[Tensor], list[Tensor]]:
        taps = []
        for place in range(start, stop):
            for member, (one, begin) in enumerate(zip(self.members, self.begins, strict=True)):
                if place == begin:
                    maps[member] = self.network.normalise(maps[member], member)
                if place >= begin:
                    maps[member] = one.stages[place - begin].run(maps[member])
            if place in self.tapped:
                taps.append(self._pool_maps(maps, place))
        return maps, taps

    def split_maps(self, features: Tensor, boundary: int) -> list[Tensor]:
        """Return the map of each network after so many stages, from the joined ones or, at the start, the images."""
        if boundary == 0:
            return [features] * len(self.members)
        shapes = self._shapes[boundary - 1]
        rows = torch.split(features, [math.prod(shape) for shape in shapes], dim=1)
        return [row.reshape(-1, *shape) for row, shape in zip(rows, shapes, strict=True)]

    def _pool_maps(self, maps: Sequence[Tensor], place: int) -> Tensor:
        pairs = zip(maps, self.members, self.begins, strict=True)
        return torch.cat([one.pool_stage(own, place - begin) for own, one, begin in pairs if begin <= place], dim=1)

    def pool_stage(self, features: Tensor, place: int) -> Tensor:
        """Return the moments of each network's map behind a stage, side by side."""
        return self._pool_maps(self.split_maps(features, place + 1), place)

    def pool_last(self, features: Tensor) -> Tensor:
        """Pool each network's last map as that network does, or flatten it; side by side."""
        return self._pool_last_maps(self.split_maps(features, len(self.stages)))

    def _pool_last_maps(self, maps: Sequence[Tensor]) -> Tensor:
        return torch.cat([one.pool_last(own) for one, own in zip(self.members, maps, strict=True)], dim=1)

    def finish(self, features: Tensor, start: int) -> list[Tensor]:
        """Run the stages from `start` on; return the pooled taps among them, and the pooled last maps."""
        maps, taps = self._run_maps(self.split_maps(features, start), start, len(self.stages))
        return [*taps, self._pool_last_maps(maps)]

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (N, F) of images (N, 3, H, W), normalised for the first network."""
        if self.tapped:
            return torch.cat(self.finish(images, 0), dim=1)
        views = (self.network.normalise(images, member) for member in range(len(self.members)))
        return torch.cat([one(view) for one, view in zip(self.members, views, strict=True)], dim=1)


def assemble_backbone(network: nn.Module, taps: str = "last", pool: str = "avg", size_px: int = 224) -> Backbone:
    """Make a backbone of a network, or of several side by side."""
    kind = CombinedBackbone if isinstance(network, CombinedNetwork) else Backbone
    return kind(network, taps, pool, size_px)

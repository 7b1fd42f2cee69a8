"""Keeps the epochs of one stage of a recipe, and goes on with a stage that an earlier process began."""

from __future__ import annotations

from dataclasses import dataclass

from fastai.callback.core import Callback

from sightx_cli.journal.points import Point
from sightx_cli.train.judge import Judge
from sightx_cli.train.keeper import Keeper
from sightx_cli.train.loaders import read_loader_state
from sightx_cli.train.restoration import Restoring, Skipping


@dataclass(frozen=True)
class StageKeeper:
    """Keeps the epochs of one stage of the recipe, by its number."""

    keeper: Keeper
    stage: int

    @property
    def is_begun(self) -> bool:
        """Whether an earlier process trained some of the stage."""
        return self._find_point() is not None

    def find_batch(self) -> int | None:
        """Return how many images a step takes in the stage that an earlier process began; None where it did not."""
        if not self.is_begun or self.keeper.state is None:
            return None
        batch: int | None = self.keeper.state.facts.get("batch")
        return batch

    def keep(self, judge: Judge, is_last: bool) -> None:
        """Keep the epoch that the judge has just judged."""
        self.keeper.keep_epoch(self.stage, judge, is_last, read_loader_state(judge.dls.train))

    def restore(self, judge: Judge) -> list[Callback]:
        """Return the callbacks that bring a learner to the point to go on from, where it lies within this stage."""
        point, state = self._find_point(), self.keeper.state
        if point is None or state is None:
            return []
        judge.first = point.epoch
        return [Restoring(state, judge, self.keeper.session.model), Skipping(judge.first)]

    def _find_point(self) -> Point | None:
        point = self.keeper.point
        return point if point is not None and point.stage == self.stage and not point.is_last else None

"""Keeps the training of a fit in its journal, epoch by epoch, and goes on from there to the same figures.

Of the network only what trains is kept: the rest is built from the same weights again. Imports no fastai.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sightx_cli.journal.journal import Journal
from sightx_cli.journal.points import Point, remove_others
from sightx_cli.model.parameter_groups import build_stage_groups
from sightx_cli.progress import Notice
from sightx_cli.recipe.plan import PlanValue
from sightx_cli.train.kept_state import (
    MODEL,
    OPTIMIZER,
    State,
    list_parameters,
    load_changed,
    read_tensors,
    write_tensors,
)
from sightx_cli.train.random_states import read_random_states
from sightx_cli.train.state import Session

if TYPE_CHECKING:
    from fastai.learner import Learner

    from sightx_cli.train.judge import Judge

BEST = "best."
"""What the names of the best epoch's tensors begin with."""
PROBABILITIES = "probabilities"


class Keeper:
    """Keeps points of one fit: the head's solution, then every epoch. `point` is the one to go on from."""

    def __init__(self, session: Session, journal: Journal, factor: float) -> None:
        self.session, self.journal, self.factor = session, journal, factor
        self.point: Point | None = None
        self.state: State | None = None
        self._number = 0
        self._best = (0, "")
        """Which best epoch was kept last (`Best.times`), and the name of its file."""
        self._is_full = False

    def keep_solved(self, title: str) -> None:
        """Keep the fit before its first stage."""
        self._keep(-1, title, 0, 0, True, None, {})

    def keep_epoch(self, stage: int, judge: Judge, is_last: bool, of_loader: Mapping[str, Any]) -> None:
        """Keep the epoch that the judge has just judged, and where its loader is."""
        facts = {"stale": judge.stale, "awaits": judge.awaits, "batch": judge.dls.train.bs, **of_loader}
        self._keep(stage, judge.stage, judge.learn.epoch + 1, judge.epochs, is_last, judge.learn, facts)

    def _keep(
        self,
        stage: int,
        title: str,
        epoch: int,
        epochs: int,
        is_last: bool,
        learner: Learner | None,
        facts: Mapping[str, Any],
    ) -> None:
        session, folder = self.session, self.journal.checkpoint
        self._number += 1
        tensors = {MODEL + name: tensor for name, tensor in list_trained(session, stage)}
        tensors |= read_random_states(learner.dls if learner is not None else None)
        scalars: list[dict[str, Any]] = []
        if learner is not None and not is_last:
            for number, parameter in enumerate(list_parameters(learner)):
                kept = learner.opt.state[parameter]
                scalars.append({name: value for name, value in kept.items() if not isinstance(value, Tensor)})
                tensors |= {f"{OPTIMIZER}{number}.{k}": v for k, v in kept.items() if isinstance(v, Tensor)}
        about = {
            **facts,
            "optimizer": scalars,
            "factor": self.factor,
            "history": session.history,
            "is_solved": session.is_solved,
            "notices": [asdict(notice) for notice in session.notices],
            "offsets": session.offsets,
            "settled": {name: asdict(value) for name, value in session.settled.items()},
            "seconds": {**session.seconds, **self._measure_stage(learner, title)},
        }
        try:
            state = f"epoch-{self._number}.safetensors"
            checksums = {state: write_tensors(folder / state, tensors, about)}
            best = self._keep_best(stage, checksums)
            point = Point(self._number, stage, title, epoch, epochs, is_last, state, best, checksums)
            self.journal.keep(point)
        except OSError as error:  # training goes on all the same: the disk may have room again later
            if not self._is_full:
                session.listener.warn(
                    f"the run's journal cannot be written ({error.strerror}): after a crash it goes on from "
                    f"{self._say_kept()}"
                )
            self._is_full = True
            remove_others(folder, self.journal.points)  # what was written of this one only takes room
        else:
            self._is_full = False

    def _measure_stage(self, learner: Learner | None, title: str) -> dict[str, float]:
        """Return the seconds of the stage that runs: the session has them only when it has ended."""
        rows = [float(row["seconds"]) for row in self.session.history if row["stage"] == title]
        return {f"stage {title}": sum(rows)} if learner is not None else {}

    def _say_kept(self) -> str:
        kept = self.journal.points
        return kept[-1].describe() if kept else "its start"

    def _keep_best(self, stage: int, checksums: dict[str, int]) -> str:
        """Keep the best epoch's weights if they are new; adds the checksum of their file, and returns its name."""
        best = self.session.best
        times, name = self._best
        if times == best.times:
            known = next((point.checksums for point in self.journal.points[::-1] if name in point.checksums), None)
            if known is not None or not name:
                checksums |= {name: known[name]} if known is not None else {}
                return name
        if not best.figures:
            return ""
        name = f"best-{self._number}.safetensors"
        changed = {one for one, _ in list_trained(self.session, stage)}
        tensors = {BEST + one: tensor for one, tensor in best.weights.items() if one in changed}
        if best.probabilities is not None:
            tensors[PROBABILITIES] = torch.from_numpy(best.probabilities)
        about = {
            "stage": best.stage,
            "epoch": best.epoch,
            "times": best.times,
            "figures": best.figures,
            "evened_loss": best.evened_loss,
            "backbone_trained": best.backbone_trained,
        }
        checksums[name] = write_tensors(self.journal.checkpoint / name, tensors, about)
        self._best = (best.times, name)
        return name

    def go_on(self) -> Point | None:
        """Bring the session to where the journal's newest whole point was; None where there is no point yet."""
        session, folder = self.session, self.journal.checkpoint
        told = self.journal.points
        point = self.journal.find_point()
        if point is None:
            if told:
                session.listener.warn("the journal's files are damaged: training starts again")
            return None
        if point != told[-1]:
            session.listener.warn(f"the newest files of the journal are damaged: going on from {point.describe()}")
        self.state = State(*read_tensors(folder / point.state))
        self.point, self._number, self.factor = point, point.number, self.state.facts["factor"]
        session.history[:] = self.state.facts["history"]
        session.is_solved = self.state.facts["is_solved"]
        for notice in self.state.facts["notices"]:
            session.notice(Notice(**notice))
        for name, value in self.state.facts.get("settled", {}).items():
            session.settled[name] = PlanValue(**value)
        offsets = self.state.facts.get("offsets")
        session.offsets = None if offsets is None else np.array(offsets, np.float32)
        session.seconds.update(self.state.facts["seconds"])
        if point.best:
            self._restore_best(folder / point.best, point.best)
        load_changed(session.model, self.state.select(MODEL))
        for number in range(point.stage + (1 if point.is_last else 0)):
            session.note_trained(build_stage_groups(session.backbone, session.head, session.recipe.stage[number]))
        return point

    def _restore_best(self, path: Path, name: str) -> None:
        best, (tensors, facts) = self.session.best, read_tensors(path)
        plain = {key: tensor.detach().cpu().clone() for key, tensor in self.session.model.state_dict().items()}
        changed = {key.removeprefix(BEST): tensor for key, tensor in tensors.items() if key.startswith(BEST)}
        best.stage, best.epoch, best.figures = facts["stage"], facts["epoch"], facts["figures"]
        best.weights, best.times, best.evened_loss = plain | changed, facts["times"], facts.get("evened_loss")
        best.backbone_trained = facts["backbone_trained"]
        if PROBABILITIES in tensors:
            best.probabilities = tensors[PROBABILITIES].numpy()
        self._best = (best.times, name)


def list_trained(session: Session, stage: int) -> Iterator[tuple[str, Tensor]]:
    """Yield what may differ from the network as it is built, by name: after this stage of the recipe, and those before.

    That is the head, the parameters of all parts trained so far, and, where BatchNorm learns, all statistics.
    """
    trained = {
        id(parameter)
        for one in session.recipe.stage[: stage + 1]
        for group in build_stage_groups(session.backbone, session.head, one)
        if group.trained
        for parameter in group.parameters
    }
    parameters = dict(session.model.named_parameters())
    head = {id(tensor) for tensor in session.head.state_dict(keep_vars=True).values()}
    for name, tensor in session.model.state_dict(keep_vars=True).items():
        is_statistic = name not in parameters and session.norms_train()
        if id(tensor) in trained or id(tensor) in head or is_statistic:
            yield name, tensor.detach()

"""The head's start: solved as a linear probe on the backbone's features (LP-FT)."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sightx_cli.engine.interface import FEATURES
from sightx_cli.model.head import FeatureScale, set_linear_solution
from sightx_cli.probe.linear_head import (
    calm_threads,
    choose_images,
    describe_choice,
    measure_most_images,
    measure_scale,
    solve_linear_head,
)
from sightx_cli.progress import reporting
from sightx_cli.recipe.stage_titles import CARRIED, SOLVED
from sightx_cli.train.best_epoch import list_figures
from sightx_cli.train.state import Session


def scale_head(session: Session) -> None:
    """Let a fresh head standardise its inputs as a solved one does, using the cached features of the train part.

    Taps of early stages are many times larger than the last output: unscaled, the finder's loss explodes at once.
    """
    if session.kept is None:
        return
    mean, deviation = measure_scale(_join(session.kept.read_views()))
    scale = session.head[0]
    assert isinstance(scale, FeatureScale)
    scale.set(torch.from_numpy(mean), torch.from_numpy(deviation))


def solve_head(session: Session) -> float | None:
    """Start the head from the linear probe's solution; returns the penalty chosen.

    None where the head has hidden layers, or nothing was computed to solve it on. The solved head is judged on the
    valid features, as epoch 0, and offered as the best.
    """
    strength = set_solved_head(session)
    if strength is not None:
        judge_head(session)
    return strength


def set_solved_head(session: Session) -> float | None:
    """Solve the head as `solve_head` does, and judge nothing."""
    features = session.features
    if features is None or session.recipe.model.head.hidden:
        return None
    began = time.perf_counter()
    targets, groups = session.train.targets, list(session.groups_of_train or session.train.digests)
    columns, count = features.valid.columns[FEATURES].shape[0], len(features.solved_views)
    most = measure_most_images(columns, session.task, count)
    images = choose_images(session.task.find_strata(targets), most)
    if images is not None:
        session.listener.warn(describe_choice(len(images), len(targets)))
        targets, groups = targets[images], [groups[image] for image in images]
    with reporting(session.listener, "fitting the linear head"), calm_threads(len(targets) * count):
        solution = solve_linear_head(
            _join(features.read_views(images)),
            np.concatenate([targets] * count),
            session.task,
            session.recipe.training.class_weights == "balanced",
            groups * count,
            views=count,
            overwrite=True,
        )
    tensors = (solution.weight, solution.bias, solution.mean, solution.deviation)
    set_linear_solution(session.head, *(torch.from_numpy(part) for part in tensors))
    session.offsets, session.is_solved = solution.offsets, True
    session.seconds["solve"] = time.perf_counter() - began
    return solution.strength


def _join(views: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join views, one below the other; a single one as it is, not copied."""
    return views[0] if len(views) == 1 else np.concatenate(views)


@torch.no_grad()
def predict_features(session: Session, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities (N, C) that the head gives for features (N, F)."""
    head = session.head.cpu().eval()
    logits = head(torch.from_numpy(features))
    probabilities: NDArray[np.float32] = session.task.build_activation()(logits).numpy()
    head.to(session.device)
    return probabilities


def start_from_head(session: Session) -> bool:
    """Judge the head of an earlier run, where it has features to be judged on, as epoch 0; says whether it had."""
    if session.has_head and session.features is not None:
        judge_head(session, CARRIED)
        return True
    return False


def choose_head(session: Session) -> None:
    """Start from the better of the earlier run's head and the one solved now, as judged on the valid part.

    A head solved on features of images that the network was trained on is sure of itself beyond reason; one that knows
    nothing of a new class is worse. Which weighs more, only the valid part tells.
    """
    session.best.restore(session.model)
    if session.best.stage == CARRIED:
        session.offsets, session.is_solved = None, False  # they are of the solved head


def judge_head(session: Session, title: str = SOLVED) -> None:
    """Measure the head on the valid part's features, as epoch 0, and offer it as the best."""
    assert session.features is not None, "a head that is solved has features"
    probabilities = predict_features(session, session.features.read_valid())
    figures = session.task.measure_epoch(probabilities, session.valid.targets, session.metric)
    targets = session.valid.targets
    evened = session.task.measure_evened_loss(probabilities, targets) if session.is_unequal else None
    is_best = session.best.offer(session.model, title, 0, figures, probabilities, evened)
    row: dict[str, float | int | str] = {
        "stage": title,
        "epoch": 0,
        "epochs": 0,
        "train_loss": float("nan"),
        **list_figures(figures),
        "seconds": round(session.seconds.get("solve", 0.0), 3),
        "best": "yes" if is_best else "",
    }
    session.history.append(row)
    session.listener.epoch({**row, "metric": session.metric})

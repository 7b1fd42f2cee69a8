"""Time SightX's epochs alone: python sightx_epoch.py FOLDER --train last:2|all. Prints one JSON object."""

import argparse
import json
from typing import Any

from epoch_clock import EpochClock

from sightx_cli.progress import Silent
from sightx_cli.startup.allocator import keeping_memory
from sightx_cli.startup.process import settle_process
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.session import build_session
from sightx_cli.train.learners import building_learner
from sightx_cli.train.stage_runs import fit_stage


def time_epochs(folder: str, train: str, epochs: int) -> dict[str, Any]:
    """Train one stage of `medical-medium` as `sightx fit` does; what is computed before it is reported separately."""
    settings = [f'stage=[{{train="{train}",epochs={epochs},rate=1e-4}}]', "training.views=2"]
    preparation = prepare(Options(folder, recipe="medical-medium", settings=settings), Silent())
    session, engine = build_session(preparation, Silent())
    clock = EpochClock()
    stage = preparation.recipe.stage[0]
    with keeping_memory(), building_learner(session, stage) as (learner, groups):
        rates = [1e-4 if group.trained else 0.0 for group in groups]
        fit_stage(learner, stage, groups, rates, "flat", 0, [clock])
    kept = session.kept
    before = {"engine": engine.name, "kept_seconds": round(kept.seconds, 2)} if kept else {}
    return {**clock.figures(), **before}


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("folder")
    cli.add_argument("--train", default="last:2")
    cli.add_argument("--epochs", type=int, default=3)
    given = cli.parse_args()
    settle_process()  # as `sightx fit` does
    print(json.dumps(time_epochs(given.folder, given.train, given.epochs)))

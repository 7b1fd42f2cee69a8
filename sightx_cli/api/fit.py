"""`fit`: from a folder of images to a trained, measured model in a run folder."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from sightx_cli import runs
from sightx_cli.filesystem import check_place
from sightx_cli.progress import Listener, Relay
from sightx_cli.recipe.plan import list_rows
from sightx_cli.results.fit import BestEpoch, FitResult, PrefixFacts
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.steps.signature import take_options

UNKEPT = PrefixFacts("none", None, "nothing is frozen, or --no-cache: every layer runs each epoch", False, 0)


@take_options("fit")
@keeping_random_state()
def fit(options: Options, listener: Listener) -> FitResult:
    """Train a classifier on labelled images and measure it.

    The run appears at `out`, or under `runs/`, whole or not at all. Raises SightXError for anything wrong in the input.
    After Ctrl-C during training the best epoch so far is kept and the result says `interrupted`.
    """
    began = time.perf_counter()
    heard = Relay(listener)
    if options.out is not None:
        runs.choose_run_folder("", options.out, options.overwrite)  # refused before any work is done
    check_place("--out", options.out or runs.RUNS / "new")
    preparation = prepare(options, heard)
    if options.recipe == "auto" and options.probe:
        from sightx_cli.steps.recipe_probe import probe_recipe

        preparation = probe_recipe(preparation, heard)
    folder = runs.choose_run_folder(preparation.recipe.name, options.out, options.overwrite)
    with runs.making_run(folder, options.overwrite) as making:
        result = _train_and_write(preparation, heard, making.partial, folder, began)
    result = replace(result, run=making.folder)
    try:
        runs.name_latest(result.run)
    except OSError as error:  # the run is whole; it is only not found by default
        heard.warn(f"{runs.RUNS / runs.LATEST} cannot name this run ({error.strerror}): give --model to predict")
    return result


def _train_and_write(preparation: Preparation, listener: Relay, partial: Path, folder: Path, began: float) -> FitResult:
    """Train, measure the product, and fill the run folder."""
    listener.show_plan(preparation.recipe.name, list_rows(preparation.plan), preparation.plan.sentence)
    from sightx_cli.steps.session import build_session

    seconds = dict(preparation.seconds)
    clock = time.perf_counter()
    session, engine = build_session(preparation, listener)
    seconds["build"] = time.perf_counter() - clock
    if session.kept is not None:
        seconds["prefix"] = session.kept.seconds
        seconds["build"] -= session.kept.seconds
    from sightx_cli.steps.copy_check import look_for_copies
    from sightx_cli.steps.crossvalidation import validate_head
    from sightx_cli.steps.training_stages import train

    copies = look_for_copies(preparation, session, listener)
    if copies is not None:
        seconds["copies"] = copies.seconds
    validated = validate_head(preparation, session, listener)
    if validated is not None:
        seconds["cross_validation"] = validated.seconds
    interrupted, factor = train(preparation, session, listener)
    seconds.update(session.seconds)
    from sightx_cli.steps.evaluation import prove
    from sightx_cli.steps.run_files import write_run

    clock = time.perf_counter()
    valid, test = prove(preparation, session, partial / runs.BUNDLE, listener)
    seconds["measure"] = time.perf_counter() - clock
    seconds["total"] = time.perf_counter() - began
    kept = session.kept
    result = FitResult(
        run=folder,
        recipe=preparation.recipe.name,
        reason=preparation.plan.reason,
        images={"train": len(session.train), "valid": len(session.valid)},
        task=session.task.kind,
        classes=session.task.classes,
        valid=valid,
        selected_on=True,
        test=test,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        prefix=PrefixFacts(engine.name, engine.precision, engine.why, not kept.computed, len(kept.train_views))
        if kept
        else UNKEPT,
        unreadable=tuple(f"{item.image} {item.error}" for item in preparation.unreadable),
        warnings=tuple(listener.warnings),
        interrupted=interrupted,
        best=BestEpoch(session.best.stage, session.best.epoch, session.metric),
        probe=preparation.probed,
        leaks=replace(preparation.leaks, copies=copies) or None,
        cross_validation=validated.cross.figures if validated else None,
    )
    write_run(partial, preparation, session, engine, result, factor, validated)
    return result

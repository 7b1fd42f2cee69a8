"""`fit`: from a folder of images to a trained, measured model in a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from sightx_cli import runs
from sightx_cli.cluster.feature_pool import FeaturePool, opening_workers
from sightx_cli.errors import ProcessLost, SightXError, UsageError
from sightx_cli.filesystem import check_place
from sightx_cli.journal.journal import Journal
from sightx_cli.machine import naming_shortage, sharing_processors
from sightx_cli.processes import ALONE, Processes, find_processes, joined_processes
from sightx_cli.progress import Listener
from sightx_cli.recipe.plan import list_rows
from sightx_cli.recipe.words import describe_plan
from sightx_cli.report.about import load_about
from sightx_cli.report.trackers import build_trackers
from sightx_cli.report.trackers.tracked_fit import TrackedRelay
from sightx_cli.results.fit import FitResult
from sightx_cli.startup.termination import find_exit_status, heeding_termination
from sightx_cli.steps.backbone_choice import check_probe_options, choose_backbone, join_probes
from sightx_cli.steps.conclusion import Trained, check_room, conclude
from sightx_cli.steps.decisions import recall_preparation, write_decisions
from sightx_cli.steps.duration import choose_fit_device, estimate_duration
from sightx_cli.steps.earlier_run import settle_from
from sightx_cli.steps.follower import follow, meet
from sightx_cli.steps.idle_options import mention_idle, refuse_idle_shift
from sightx_cli.steps.label_tolerance import settle_tolerance
from sightx_cli.steps.launch import is_launching, launch_fit
from sightx_cli.steps.needless_stages import may_train
from sightx_cli.steps.options import AUTO, Options
from sightx_cli.steps.preparation import Preparation, prepare
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.steps.resumption import keeping_journal
from sightx_cli.steps.signature import take_options


@take_options("fit")
@keeping_random_state()
def fit(options: Options, listener: Listener) -> FitResult:
    """Train a classifier on labelled images and measure it.

    The run lies at `out`, or under `runs/`. Until it is whole it has a journal, from which `resume` goes on after
    anything that stops it. Raises SightXError for anything wrong in the input. After Ctrl-C during training, or what
    else ends it early, the run is finished from the best epoch so far, and the result says why in `stopped`.
    """
    if is_launching(options):
        raise UsageError(
            "launch starts the processes of a command: a script is started in them by torchrun itself",
            "torchrun --nproc-per-node 2 SCRIPT.py, and launch left out",
        )
    with joined_processes() as processes:
        if not processes.is_first:
            return follow(processes)
        return processes.share(fit_first(options, listener, processes))


def fit_beside(options: Options, arguments: Sequence[str], listen: Callable[[], Listener]) -> int | None:
    """Fit in processes that are started here, or as one that is not their first; return the exit status.

    None where this process is to fit itself. `arguments` are what was typed behind `sightx`.
    """
    if is_launching(options):
        return launch_fit(options, arguments, listen())
    processes = find_processes()
    if processes.is_first:
        return None
    try:
        with heeding_termination():
            result = fit(**options.given())
    except (KeyboardInterrupt, ProcessLost) as ended:
        return read_end(ended)
    except SightXError as error:
        error.message = f"process {processes.rank} of {processes.count}: {error.message}"
        raise
    return SightXError.exit_code if result.stopped else 0


def read_end(ended: BaseException) -> int:
    """Read the exit status of a fit that was interrupted, or lost another of its processes."""
    return find_exit_status(ended) if isinstance(ended, KeyboardInterrupt) else ProcessLost.exit_code


def fit_first(options: Options, listener: Listener, processes: Processes) -> FitResult:
    """Fit, as the first of the processes that train together; mostly it is alone."""
    began = time.perf_counter()
    heard, options = TrackedRelay(listener), settle_from(options)
    if options.about is not None:
        load_about(options.about)  # what is wrong in it is said before anything is trained
    if options.resume is None:
        check_probe_options(options)
        refuse_idle_shift(options)
        mention_idle(options, heard)
        check_place("--out", options.out or runs.RUNS / "new", options.out is not None)
    with ExitStack() as last:
        workers = last.enter_context(opening_workers(options.features_on, options.address, options.cache, heard))
        journal, options = last.enter_context(keeping_journal(options, heard, processes))
        heard.follow(build_trackers(options.track))
        if journal.has_decisions:
            preparation = set_workers(recall_preparation(journal, options, heard), workers)
        else:
            preparation = set_workers(prepare(options, heard), workers)
            if options.backbone == AUTO:
                preparation = choose_backbone(preparation, heard)
            is_probed = options.probe and not options.is_recipe_named
            if processes.is_alone:
                preparation = settle_device(preparation, is_probed, heard)
                options = preparation.options
            shares = processes.count_devices()
            images = {part: count // shares for part, count in preparation.fingerprint.parts.items()}
            heard.notice(estimate_duration(preparation.recipe, images, is_probed, options.device))
            if is_probed:
                from sightx_cli.steps.recipe_probe import probe_recipe

                networks, preparation = preparation.probed, probe_recipe(preparation, heard)
                if preparation.probed is not None:
                    preparation = replace(preparation, probed=join_probes(networks, preparation.probed))
            preparation = settle_tolerance(preparation, heard)
            write_decisions(preparation, journal, heard)
            if options.recipe == "auto" and options.out is None:
                journal.rename(runs.choose_run_folder(preparation.recipe.name, None, False).name)
        image, training = preparation.recipe.image, preparation.recipe.training
        try:
            with naming_shortage("fitting", training.batch, image.size_px):
                result = conclude(train_all(preparation, heard, journal, began, processes), journal, heard)
            heard.finish_tracking(result)
        finally:
            heard.abort_tracking()
    try:
        runs.name_latest(result.run)
    except OSError as error:  # the run is whole; it is only not found by default
        heard.warn(f"{runs.RUNS / runs.LATEST} cannot name this run ({error.strerror}): give --model to predict")
    return result


def settle_device(preparation: Preparation, is_probed: bool, listener: Listener) -> Preparation:
    """Let the CPU compute where it is done before a GPU has started; says so."""
    options = preparation.options
    device, said = choose_fit_device(preparation.recipe, preparation.fingerprint.parts, is_probed, options.device)
    if said is None:
        return preparation
    listener.notice(said)
    return replace(preparation, options=replace(options, device=device))


def set_workers(preparation: Preparation, workers: FeaturePool | None) -> Preparation:
    """Have workers, if there are any, compute the features that the store of a preparation lacks."""
    if preparation.store is not None:
        preparation.store.workers = workers
    return preparation


def train_all(
    preparation: Preparation, listener: TrackedRelay, journal: Journal, began: float, processes: Processes = ALONE
) -> Trained:
    """Show the plan, compute what is frozen, and train; `began` is when the fit did, on the clock of `perf_counter`."""
    plan = preparation.plan
    listener.show_plan(preparation.recipe.name, list_rows(plan), plan.sentence, describe_plan(plan))
    listener.begin(journal.folder, plan)
    from sightx_cli.steps.session import build_session

    seconds = dict(preparation.seconds)
    clock = time.perf_counter()
    if not processes.is_alone:
        listener.note(processes.describe())
        meet(processes, preparation, journal.folder)
    with sharing_processors(processes.local_count):
        session, engine = build_session(preparation, listener, processes, may_train(preparation, processes))
    seconds["build"] = time.perf_counter() - clock
    if session.kept is not None:
        seconds["prefix"] = session.kept.seconds
        seconds["build"] -= session.kept.seconds
    from sightx_cli.steps.copy_check import look_for_copies
    from sightx_cli.steps.crossvalidation import validate_head
    from sightx_cli.steps.training_stages import train

    check_room(journal.folder, session, listener)
    copies = look_for_copies(preparation, session, listener)
    if copies is not None:
        seconds["copies"] = copies.seconds
    validated = validate_head(preparation, session, listener)
    if validated is not None:
        seconds["cross_validation"] = validated.seconds
    with sharing_processors(processes.local_count):
        stopped, factor = train(preparation, session, journal, listener)
    seconds.update(session.seconds)
    return Trained(preparation, session, engine, copies, validated, stopped, factor, seconds, began)

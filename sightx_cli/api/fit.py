"""`fit`: from a folder of images to a trained, measured model in a run folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.progress import Listener, Silent
from sightx_cli.recipe.plan import list_rows
from sightx_cli.results.fit import FitResult
from sightx_cli.steps.options import Request
from sightx_cli.steps.preparation import Preparation, prepare

if TYPE_CHECKING:
    from sightx_cli.steps.copy_check import Copies


def fit(
    source: str | Path,
    *,
    recipe: str = "auto",
    shift: str | None = None,
    profile: str | None = None,
    backbone: str | None = None,
    weights: Path | None = None,
    weights_mean: float | Sequence[float] | None = None,
    weights_std: float | Sequence[float] | None = None,
    weights_prefix: str | None = None,
    settings: Sequence[str] = (),
    rate: float | str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    seed: int = 0,
    device: str = "auto",
    group_by: str | None = None,
    engine: str = "auto",
    cache: bool = True,
    exclude: Path | None = None,
    resplit: bool = False,
    allow_leaks: bool = False,
    folds: int | None = None,
    probe: bool = True,
    listener: Listener | None = None,
) -> FitResult:
    """Train a classifier on labelled images and measure it.

    `source` is a folder of class folders, a folder with train/ and valid/ (and test/), a table, or `demo:solar`.
    `recipe` is a name, a file, or `auto` (then `shift` says "similar" or "different"); `settings` are overrides such
    as "image.size_px=384"; `rate` is the head's peak rate in the first stage, or "auto" to find it; the other rates
    keep their proportion. `weights` is a file, `weights_mean` and `weights_std` what its network's input was normalised
    with (0 to 1 scale, three numbers each or one), `weights_prefix` the part of it that is meant. `exclude` is a table
    of images to leave out; `resplit` divides anew what train and valid were given; `folds` is the number of the
    cross-validation (0 for none); `probe` measures the table's choices first. The run appears at `out`, or under
    `runs/`, whole or not at all.

    Raises SightXError for anything wrong in the input. After Ctrl-C during training the best epoch so far is kept
    and the result says `interrupted`.
    """
    request = Request(
        source=str(source),
        recipe=recipe,
        shift=shift,
        profile=profile,
        backbone=backbone,
        weights=weights,
        weights_mean=weights_mean,
        weights_std=weights_std,
        weights_prefix=weights_prefix,
        settings=settings,
        rate=rate,
        out=out,
        overwrite=overwrite,
        seed=seed,
        device=device,
        group_by=group_by,
        engine=engine,
        cache=cache,
        exclude=exclude,
        resplit=resplit,
        allow_leaks=allow_leaks,
        folds=folds,
        probe=probe,
    )
    return run_fit(request, listener or Silent())


def run_fit(request: Request, listener: Listener) -> FitResult:
    """Do what `fit` says, for a request."""
    began = time.perf_counter()
    heard = _Hearing(listener)
    if request.out is not None:
        runs.choose_run_folder("", request.out, request.overwrite)  # refused before any work is done
    preparation = prepare(request, heard)
    if request.recipe == "auto" and request.probe:
        from sightx_cli.api.probe import probe_recipe

        preparation = probe_recipe(preparation, heard)
    folder = runs.choose_run_folder(preparation.recipe.name, request.out, request.overwrite)
    with runs.making_run(folder, request.overwrite) as making:
        result = _train_and_write(preparation, heard, making.partial, folder, began)
    result = replace(result, run=making.folder)
    try:
        runs.name_latest(result.run)
    except OSError as error:  # the run is whole; it is only not found by default
        heard.warn(f"{runs.RUNS / runs.LATEST} cannot name this run ({error.strerror}): give --model to predict")
    return result


def _train_and_write(
    preparation: Preparation, listener: _Hearing, partial: Path, folder: Path, began: float
) -> FitResult:
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
    proof = prove(preparation, session, partial / runs.BUNDLE, listener)
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
        metrics=proof.valid.figures,
        intervals=proof.valid.intervals,
        selected_on=True,
        test=proof.test.to_json() if proof.test else None,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        prefix={
            "engine": engine.name if kept else "none",
            "precision": engine.precision if kept else None,
            "why": engine.why if kept else "nothing is frozen, or --no-cache: every layer runs each epoch",
            "cached": bool(kept and not kept.computed),
            "views": len(kept.train_views) if kept else 0,
        },
        unreadable=tuple(f"{item.image} {item.error}" for item in preparation.unreadable),
        warnings=tuple(listener.warnings),
        interrupted=interrupted,
        best={"stage": session.best.stage, "epoch": session.best.epoch, "metric": session.metric},
        probe=preparation.probed,
        leaks=describe_leaks(preparation, copies),
        cross_validation=validated.to_json() if validated else None,
    )
    write_run(partial, preparation, session, engine, proof, result, factor, validated)
    return result


def describe_leaks(preparation: Preparation, copies: Copies | None) -> dict[str, Any] | None:
    """Return what JSON holds of a given split's leaks: files and groups on both sides, and copies; None without any."""
    if not preparation.leaks and copies is None:
        return None
    found = preparation.leaks.to_json(preparation.request.allow_leaks)
    return found | ({"copies": copies.copies, "copies_among": copies.looked_at} if copies else {})


def train(preparation: Preparation, session: Any, listener: Listener) -> tuple[bool, float]:
    """Solve the head, run the stages; returns whether Ctrl-C ended it, and the factor on the recipe's rates."""
    from sightx_cli.train.solved_head import solve_head
    from sightx_cli.train.stage_runs import run_stage

    interrupted = False
    factor = choose_rate_factor(preparation, session, listener)
    try:
        solve_head(session)
        for stage in preparation.recipe.stage:
            run_stage(session, stage, factor)
    except KeyboardInterrupt:
        if not session.best.figures:
            raise  # not one epoch is done: there is nothing to keep
        interrupted = True
        listener.warn("interrupted: the run is finished from the best epoch so far")
        session.best.restore(session.model)
    return interrupted, factor


def choose_rate_factor(preparation: Preparation, session: Any, listener: Listener) -> float:
    """Return what every rate of the recipe is multiplied by: 1, or what brings the first stage's head to `--rate`."""
    from sightx_cli.model.parameter_groups import build_stage_groups, stage_rates
    from sightx_cli.train.rate_finder import find_rates
    from sightx_cli.train.solved_head import scale_head

    rate, first = preparation.request.rate, preparation.recipe.stage[0]
    if rate is None:
        return 1.0
    recipe_rate = stage_rates(first, build_stage_groups(session.backbone, session.head, first))[-1]
    if rate == "auto":
        scale_head(session)
        found = find_rates(session, first)
        rate = found.suggestions["valley"]
        listener.note(f"learning rate found: {rate:.1e} for the first stage's head (the recipe says {recipe_rate:.1e})")
    return float(rate) / recipe_rate


class _Hearing:
    """Passes all on to the listener and remembers the warnings, which belong in the result too."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self._listener.warn(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

"""Write everything in a run folder except the bundle."""

from __future__ import annotations

import csv
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sightx_cli import runs
from sightx_cli.data.cells import shield_cell
from sightx_cli.data.earlier_split import write_earlier_images
from sightx_cli.data.levels import measure_levels
from sightx_cli.data.splits import write_split
from sightx_cli.engine.choice import EngineChoice, choose_step_precision
from sightx_cli.engine.interface import EXACT
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Relay
from sightx_cli.recipe.parts import Joining, TrainingStage
from sightx_cli.recipe.plan import Origin, PlanValue, plan_to_json
from sightx_cli.recipe.rates import scale_rate
from sightx_cli.recipe.recipe import Recipe, recipe_to_toml
from sightx_cli.recipe.words import name_train_loss
from sightx_cli.report.confusion_plot import plot_confusion
from sightx_cli.report.label_plot import plot_labels
from sightx_cli.report.plots import plot_training
from sightx_cli.results.calibration import OUT_OF_FOLD
from sightx_cli.results.fit import FitResult
from sightx_cli.steps.crossvalidation import Validated, write_out_of_fold
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.report_files import write_run_report
from sightx_cli.steps.resumption import record_options, write_command

if TYPE_CHECKING:
    from sightx_cli.model.weights import Weights
    from sightx_cli.train.state import Session

Scaled = TypeVar("Scaled", TrainingStage, Joining)

PACKAGES = ("sightx-cli", "torch", "fastai", "timm", "openvino", "numpy", "pillow", "scikit-learn", "pandas")


def write_run(
    folder: Path,
    preparation: Preparation,
    session: Session,
    engine: EngineChoice,
    result: FitResult,
    rate_factor: float,
    validated: Validated | None,
    listener: Relay,
) -> FitResult:
    """Write recipe, plan, fingerprint, split, history, metrics, environment and plots into a run folder.

    What describes the run but is not needed to use it fails alone, with a warning; returns the result with those.
    """
    trained = scale_recipe(preparation.recipe, rate_factor)
    (folder / runs.RECIPE).write_text(recipe_to_toml(trained), encoding="utf-8")
    found = {
        "engine": PlanValue(engine.name, "option" if "named" in engine.why else "default", engine.why),
        "engine.precision": PlanValue(engine.precision, "data", engine.precision_why),
        **describe_steps(engine, trained),
        **describe_weights(session.weights, preparation.options.weights is not None),
        "rate.factor": PlanValue(rate_factor, "option" if preparation.options.rate else "default"),
        **describe_offsets(session),
        **session.settled,
    }
    plan = replace(preparation.plan, values={**preparation.plan.values, **found})
    command = write_command(record_options(preparation.options))
    runs.write_json(folder / runs.PLAN, plan_to_json(plan, listener.notices) | {"command": command})
    levels = measure_levels(preparation.part("train")["path"].tolist(), preparation.reading)
    found_levels = {"levels": None if levels is None else asdict(levels)}
    runs.write_json(folder / runs.FINGERPRINT, preparation.fingerprint.to_json() | found_levels)
    write_split(preparation.frame, folder / runs.SPLIT)
    if preparation.earlier is not None:
        write_earlier_images(preparation.earlier.known, preparation.frame, folder / runs.EARLIER)
    write_history(folder / runs.HISTORY, session.history)
    runs.write_json(folder / runs.METRICS, result.metrics_to_json())
    report = result.valid.report
    extras: dict[str, Callable[[Path], object]] = {
        runs.ENVIRONMENT: lambda path: runs.write_json(path, describe_environment(session)),
        runs.TRAINING_PLOT: lambda path: plot_training(session.history, session.metric, path, name_train_loss(trained)),
    }
    if report.confusion:
        extras[runs.CONFUSION_PLOT] = lambda path: plot_confusion(report.confusion, session.task.classes, path)
    else:
        extras[runs.LABELS_PLOT] = lambda path: plot_labels(report.classes, path)
    if validated is not None:
        calibration = result.calibration
        shared = calibration.temperature if calibration and calibration.fitted_on == OUT_OF_FOLD else 1.0
        extras[runs.OUT_OF_FOLD] = lambda path: write_out_of_fold(validated, session.task, path, shared)
    told = replace(result, warnings=tuple(listener.warnings), notices=tuple(listener.notices))
    extras[runs.REPORT] = lambda path: write_run_report(
        path.parent, preparation, session.task, session.model, told, listener
    )
    for name, write in extras.items():
        try:
            write(folder / name)
        except Exception as error:  # of any kind: a model that is trained outweighs a picture of it
            listener.warn(f"{name} could not be made ({type(error).__name__}: {error}); the run is whole without it")
            (folder / name).unlink(missing_ok=True)
    page = runs.REPORT if (folder / runs.REPORT).is_file() else ""
    return replace(result, warnings=tuple(listener.warnings), notices=tuple(listener.notices), report=page)


def describe_steps(engine: EngineChoice, recipe: Recipe) -> dict[str, PlanValue]:
    """Return the plan's value for what the steps that train layers compute in; none where only the head trains."""
    if all(stage.train == "head" for stage in recipe.stage):
        return {}
    precision = choose_step_precision(engine)
    faster = "faster here; every epoch is judged in float32, and the head computes in it"
    why = faster if precision != EXACT else f"half precision would be no faster here ({engine.device})"
    return {"training.precision": PlanValue(precision, "default", why)}


def describe_offsets(session: Session) -> dict[str, PlanValue]:
    """Return the plan's value for what the head's logits were shifted by where classes are very unequal."""
    if session.offsets is None:
        return {}
    shifts = dict(zip(session.task.classes, session.offsets.round(3).tolist(), strict=True))
    why = "added to each class's logit, so that every class counts the same on images not learned from"
    return {"head.offsets": PlanValue(shifts, "data", f"{why}; part of the bundle's weights")}


def describe_weights(weights: Weights, given: bool) -> dict[str, PlanValue]:
    """Return the plan's values for the weights: origin, digest, normalisation, and how the user's file fitted."""
    origins: dict[str, Origin] = {"option": "option", "file": "data", "timm": "default", "run": "run"}
    said = origins[weights.normalised_by]
    why = "assumed: the normalisation of these weights is unknown" if weights.unsure else ""
    values = {
        "weights.origin": PlanValue(weights.origin, "option" if given else "run" if said == "run" else "recipe"),
        "weights.digest": PlanValue(weights.digest, "data"),
        "weights.mean": PlanValue(list(weights.mean), said, why),
        "weights.std": PlanValue(list(weights.std), said, why),
    }
    match = weights.match
    if match is None:
        return values
    return values | {
        "weights.file": PlanValue(weights.origin, "option"),
        "weights.sha256": PlanValue(weights.digest.partition(" ")[0], "data"),
        "weights.tensors": PlanValue(f"{match.needed} of {match.needed}", "data", match.describe()),
        "weights.prefix": PlanValue(match.prefix, "data"),
        "weights.changes": PlanValue(list(match.changes), "data"),
        "weights.left_over": PlanValue(len(match.left_over), "data", ", ".join(match.left_over[:5])),
    }


def scale_recipe(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with the rates actually used: `--rate` multiplies them all."""
    if factor == 1.0:
        return recipe

    def scale(part: Scaled) -> Scaled:
        return part.model_copy(update={"rate": scale_rate(part.rate, factor)})

    stages = (scale(stage).model_copy(update={"join": tuple(map(scale, stage.join))}) for stage in recipe.stage)
    return recipe.model_copy(update={"stage": tuple(stages)})


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one row per epoch, starting with the directly fitted head."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: shield_cell(value) for name, value in row.items()} for row in history)


def describe_environment(session: Session) -> dict[str, Any]:
    """Return the contents of environment.json: versions, machine, device, threads."""
    from sightx_cli.train.compiler_needs import find_lack

    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": measure_threads().total,
        "device": str(session.device),
        "processes": {"count": session.processes.count, "machines": session.processes.machines},
        "compiled_steps": f"off: {lack}" if (lack := find_lack(session.device)) else "where it pays",
        "weights": {"origin": session.weights.origin, "digest": session.weights.digest},
        "packages": {name: read_package_version(name) for name in PACKAGES},
    }


def read_package_version(package: str) -> str | None:
    """Return the installed version of a package; None where it is used without being installed, as from a checkout."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None

"""Several models on the same images: whose predictions they are, and how they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.decided_label import DecidedLabel, decide_by_threshold, describe_decision
from sightx_cli.bundle.facts import load_facts
from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError, RunError
from sightx_cli.evaluation.kept_predictions import KeptPredictions, read_predictions
from sightx_cli.filesystem import read_ordinary
from sightx_cli.metrics.units import name_units
from sightx_cli.progress import Notice
from sightx_cli.results.compare import ComparedModel, ComparedPair

if TYPE_CHECKING:
    from sightx_cli.task.task import Task

PARTS = ("test", "valid")
"""The parts of a fit whose predictions are compared: the first that all runs have."""
TABLE = "predictions.csv"
"""That of an evaluation."""


@dataclass(frozen=True)
class Candidate:
    """A model to compare: a run, or a run on other images as an evaluation holds it."""

    folder: Path
    """As the user named it."""
    run: Path
    task: Task
    """It decides by the threshold that the run stores, or stored when it was evaluated."""
    tables: Mapping[str, Path]
    """Its predictions, by part; an evaluation's are all one part, ""."""


def open_candidate(folder: str | Path) -> Candidate:
    """Open a run or an evaluation; raises RunError for anything else."""
    path = Path(folder)
    table = path / TABLE
    if table.is_file() and (path / runs.METRICS).is_file():
        try:
            metrics = json.loads(read_ordinary(path / runs.METRICS))
            run, decided = Path(metrics["run"]), metrics.get("decided_by")
            decision = None if decided is None else Decision(**{**decided, "positive": tuple(decided["positive"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path / runs.METRICS}: cannot be read ({error})", "evaluate again") from error
        if not run.is_dir():
            raise RunError(
                f"{folder} is an evaluation of the run {run}, which is no longer there",
                "move the run back, or evaluate again with --model and the folder where it is now",
            )
        return Candidate(path, run, decide_by_threshold(load_facts(runs.find_run(run)).task, decision), {"": table})
    run = runs.find_run(path)
    kept = {part: run / runs.PREDICTIONS / f"{part}.csv" for part in PARTS}
    tables = {part: table for part, table in kept.items() if table.is_file()}
    if not tables:
        raise RunError(f"{folder}: holds no predictions to compare", "fit again with this version, or evaluate it")
    facts = load_facts(run)
    return Candidate(path, run, decide_by_threshold(facts.task, facts.decision), tables)


def tell_decisions(candidates: Sequence[Candidate]) -> Notice | None:
    """Tell which of the models are compared by a stored threshold; None where none is."""
    found = [(one.folder, one.task.decision) for one in candidates if isinstance(one.task, DecidedLabel)]
    if not found:
        return None
    said = "; ".join(f"{folder}: {describe_decision(decision)}" for folder, decision in found)
    return Notice("decision", f"decided by a stored threshold, not by the likelier class: {said}", len(found))


def choose_tables(candidates: Sequence[Candidate]) -> tuple[str, list[Path]]:
    """Choose the predictions to compare: those of evaluations, else of the first part that all runs have.

    Raises DataError where there is none, and for models of other classes.
    """
    first = candidates[0]
    for one in candidates[1:]:
        if (one.task.kind, one.task.classes) != (first.task.kind, first.task.classes):
            raise DataError(
                f"{one.folder} tells {', '.join(one.task.classes)} ({one.task.kind}), and {first.folder} "
                f"{', '.join(first.task.classes)} ({first.task.kind}): they answer different questions",
                "compare models of the same classes",
            )
    for part in ("", *PARTS):
        if all(part in one.tables for one in candidates):
            tables = [one.tables[part] for one in candidates]
            refuse_same(candidates, tables)
            return part or "evaluation", tables
    held = "; ".join(f"{one.folder} is {_describe_tables(one)}" for one in candidates)
    raise DataError(
        f"runs are compared on their test or valid parts, evaluations with evaluations, and {held}",
        "evaluate each on the same images, and compare the folders that this makes",
    )


def refuse_same(candidates: Sequence[Candidate], tables: Sequence[Path]) -> None:
    """Raise DataError where two of them are one: a difference of 0 says nothing."""
    seen: dict[Path, Candidate] = {}
    for one, table in zip(candidates, tables, strict=True):
        other = seen.setdefault(table.resolve(), one)
        if other is not one:
            named = "is given twice" if other.folder == one.folder else f"is the same as {other.folder}"
            raise DataError(f"{one.folder} {named}: there is nothing to compare", "sightx compare RUN OTHER")


def _describe_tables(candidate: Candidate) -> str:
    parts = [part for part in candidate.tables if part]
    return f"a run with a {' and a '.join(parts)} part" if parts else "an evaluation"


def compare_models(candidates: Sequence[Candidate], shared: Sequence[KeptPredictions]) -> tuple[ComparedModel, ...]:
    """Measure each model on the images that all share, and each but the first against the first."""
    from sightx_cli.metrics.paired import compare_answers, measure_mcnemar

    together = list(shared[0].together)
    task = candidates[0].task
    answers = [
        one.task.check_answers(kept.probabilities, kept.targets) for one, kept in zip(candidates, shared, strict=True)
    ]
    models = []
    for one, kept, own in zip(candidates, shared, answers, strict=True):
        pair = None
        if one is not candidates[0]:
            is_single = name_units(together) == "images"
            pair = ComparedPair(
                compare_answers(answers[0], own, task.kind, together),
                measure_mcnemar(answers[0], own) if is_single else None,
            )
        models.append(
            ComparedModel(
                one.folder,
                one.run,
                one.task.measure_figures(kept.probabilities, kept.targets),
                one.task.measure_intervals(kept.probabilities, kept.targets, together),
                pair,
            )
        )
    return tuple(models)


def load_kept(candidates: Sequence[Candidate], tables: Sequence[Path], part: str) -> list[KeptPredictions]:
    """Read the predictions of each model, with the digests of the images' bytes where it keeps them."""
    kept = [read_predictions(table, one.task, part) for one, table in zip(candidates, tables, strict=True)]
    return [
        own if "" in one.tables else replace(own, digests=read_digests(one.run / runs.SPLIT, part, own.images))
        for one, own in zip(candidates, kept, strict=True)
    ]


def read_digests(path: Path, part: str, images: Sequence[str]) -> tuple[str, ...]:
    """Read the digests of a part's images from `split.csv`: "" where it has none, () where it cannot tell."""
    try:
        frame = read_table(path).frame
        rows = frame.loc[frame["split"] == part, ["image", "digest"]]
    except (DataError, KeyError):  # of an earlier version, or not copied along
        return ()
    known: dict[str, list[str]] = {}
    for image, digest in rows[::-1].itertuples(index=False):
        known.setdefault(image, []).append(digest)
    return tuple(known[image].pop() if known.get(image) else "" for image in images)

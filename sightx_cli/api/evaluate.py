"""`evaluate`: how good a run's model is on labelled images, with intervals, where it fails, and a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.bundle_forward import AUTO, CPU
from sightx_cli.bundle.decided_label import decide_by_threshold, tell_decision
from sightx_cli.bundle.facts import check_changeable, keep_decision
from sightx_cli.bundle.outdated_exports import warn_of_outdated_exports
from sightx_cli.bundle.predictor import load_predictor, suit_images
from sightx_cli.cluster.ray_cluster import check_address
from sightx_cli.data.expression_groups import group_images
from sightx_cli.data.layout import Layout
from sightx_cli.data.pixel_notices import describe_pixels
from sightx_cli.errors import UsageError
from sightx_cli.evaluation.answered_images import Ask, answer_images, measure_rate
from sightx_cli.evaluation.differences import compare_statuses, describe_differences, find_differences
from sightx_cli.evaluation.doubts import measure_doubts
from sightx_cli.evaluation.joined_units import RULE, check_units, join_units, read_units
from sightx_cli.evaluation.kept_predictions import write_predictions
from sightx_cli.evaluation.known_images import count_known_images
from sightx_cli.evaluation.labelled_images import check_columns, load_labelled_images
from sightx_cli.evaluation.part_figures import list_units, measure_part
from sightx_cli.evaluation.robustness import measure_robustness
from sightx_cli.evaluation.subgroups import measure_subgroups
from sightx_cli.evaluation.threshold_choice import (
    Wish,
    build_decision,
    can_store,
    measure_wish,
    name_positives,
    read_kept,
    warn_of_same_images,
)
from sightx_cli.filesystem import check_place
from sightx_cli.metrics.paired import compare_answers
from sightx_cli.progress import Listener, Relay, Silent, reporting
from sightx_cli.report.about import load_about
from sightx_cli.report.hidden_folder import making_folder
from sightx_cli.report.result_folder import choose_evaluation_folder
from sightx_cli.results.evaluate import EvaluateResult, PerUnit, ViewFigures
from sightx_cli.steps.evaluation_report import report_evaluation, write_evaluate_command
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.steps.report_files import name_source
from sightx_cli.task.multilabel import MultiLabel

MEASURING = "measuring figures and intervals"
"""The work as the user sees it."""


@keeping_random_state()
def evaluate(
    source: str | Path,
    *,
    model: str | Path | None = None,
    by: Sequence[str] = (),
    per: str | None = None,
    group_by: str | None = None,
    at_sensitivity: float | None = None,
    at_specificity: float | None = None,
    cost: str | None = None,
    positive: str | None = None,
    prevalence: Sequence[float] = (),
    keep: bool = False,
    tta: int | None = None,
    batch: int | None = None,
    device: str = AUTO,
    image_column: str | None = None,
    label_column: str | None = None,
    images: Path | None = None,
    label_by: str | None = None,
    robustness: bool = True,
    about: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    on: str | None = None,
    address: str | None = None,
    listener: Listener | None = None,
) -> EvaluateResult:
    """Measure a run's model, the newest by default, on labelled images: a folder, a table, as in `fit`.

    Of a source with parts the test part is measured, else the valid one. `by` names columns whose values are measured
    one by one, `per` what several images belong to that need one decision (a patient, a part), `group_by` what images
    are resampled with. Columns, or regular expressions over the file names. `robustness` measures up to 200 images
    changed as archives and cameras change them. The folder `out`, or a new one under `evaluations/`, appears whole:
    metrics.json, predictions.csv with a row for each image, report.html and model_card.md, which say what the file
    `about` says of the model beside what was measured.

    `at_sensitivity`, `at_specificity` or `cost` ("fn=10,fp=1") choose a threshold on predictions that the run kept of
    images which its model did not learn from, never on these; what it reaches here is measured. `positive` names the
    classes that count as positive, with commas between them; `prevalence` the shares of them at which predictive values
    are given too. With `keep` the run's bundle decides by the threshold from now on. One that it stores already decides
    between two classes here as it does in `predict`: in accuracy, confusions, and predictions.csv.

    With `tta` a prediction is the mean over so many views of its image, changed as leaves the labels alone; what that
    gains, and costs, is measured. `device` is auto (a GPU where there is one and the images are many), cpu, cuda or
    mps.

    With `on="ray"` the workers of a Ray cluster answer for the images, that at `address` or one on this machine.

    Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    check_address(on, address)
    heard = Relay(listener or Silent())
    folder = choose_evaluation_folder(name_source(source), out, overwrite)
    check_place("--out", folder, out is not None)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}: at least 1", "--batch 16")
    said = {} if about is None else load_about(about)
    options: dict[str, object] = {
        "by": by,
        "per": per,
        "group_by": group_by,
        "positive": positive,
        "prevalence": prevalence,
    }
    options |= {
        "at_sensitivity": at_sensitivity,
        "at_specificity": at_specificity,
        "cost": cost,
        "tta": tta,
        "about": about,
    }
    options |= {"image_column": image_column, "label_column": label_column, "images": images, "label_by": label_by}
    wish = Wish(at_sensitivity, at_specificity, cost, positive, tuple(prevalence), keep)
    run = runs.find_run(model)
    predictor = load_predictor(run, batch, 1 if tta is None else tta, device=device if on is None else CPU)
    stored, reading = predictor.facts.decision, predictor.facts.reading
    task = decide_by_threshold(predictor.facts.task, stored)
    if keep and not can_store(task):
        raise UsageError("--keep: each of several labels has a threshold of its own already", "leave --keep out")
    name_positives(wish, predictor.facts, Silent())  # before any image is read, and what it needs of the run
    if wish.rule:
        read_kept(run, predictor.facts)
    if keep:
        check_changeable(run, "--keep", "leave --keep out, or copy the run and name the copy with --model")
    if (decided := tell_decision(task, stored, keep)) is not None:
        heard.notice(decided)
    layout = Layout(
        image_column, label_column, None if images is None else Path(images), label_by, group_by=group_by, per=per
    )
    labelled = load_labelled_images(source, layout, task, heard)
    check_columns(labelled.frame, [*(("--by", one) for one in by), ("--group-by", group_by)])
    if per is not None:
        check_units(labelled.judged, per)
    if on is None:
        predictor = suit_images(predictor, run, len(labelled.frame), device, batch)
    predictor = replace(predictor, facts=replace(predictor.facts, task=task))
    ask = None if on is None else build_ask(run, address, batch, predictor.views, device)
    answered = answer_images(predictor, labelled.frame, heard, ask)
    names = answered.frame["image"].tolist()
    for notice in describe_pixels(names, answered.found, answered.unreadable, reading, heard.notices):
        heard.notice(notice)
    predicted = time.perf_counter()
    frame = group_images(answered.frame, group_by, heard)
    of_units = frame if per in (None, group_by) else group_images(answered.frame, per, heard, "--per")
    chosen = frame["is_judged"].to_numpy(dtype=bool)
    judged, probabilities = frame[chosen].reset_index(drop=True), answered.probabilities[chosen]
    statuses = [status for status, is_chosen in zip(answered.statuses, chosen, strict=True) if is_chosen]
    units, groups = of_units["group"][chosen].tolist(), {group_by or "group": judged["group"].tolist()}
    groups |= {} if per is None else {per: units}
    known = count_known_images(run, judged["digest"].tolist(), groups, heard)
    headers = [header for header, is_chosen in zip(answered.headers, chosen, strict=True) if is_chosen]
    with reporting(heard, MEASURING):
        found = judged["path"].tolist(), headers, judged["label"].tolist()
        separator = task.separator if isinstance(task, MultiLabel) else ""
        differences = find_differences(run, *found, separator, reading) + compare_statuses(statuses)
        for notice in describe_differences(differences):
            heard.notice(notice)
        doubt = measure_doubts(task, judged, probabilities, statuses)
        answers = task.check_answers(probabilities, task.number(judged["label"].tolist()))
        decision = measure_wish(wish, run, predictor.facts, answers, list_units(judged), heard)
        if decision is not None and (warned := warn_of_same_images(decision, known.validated)) is not None:
            heard.notice(warned)
        views = None
        if answered.plain is not None:
            plain = measure_part(task, judged, answered.plain[chosen], 0)
            before = task.check_answers(answered.plain[chosen], answers.truth)
            gained = compare_answers(before, answers, task.kind, list_units(judged))
            rate = measure_rate(replace(predictor, views=1), judged)
            views = ViewFigures(predictor.views, plain, gained, round(answered.images_per_second, 1), round(rate, 1))
        asked = decision.positives if decision is not None else ()
        figures = measure_part(task, judged, probabilities, len(judged), draws=True, positives=asked)
        subgroups = measure_subgroups(task, judged, probabilities, by, heard)
        unit = None
        if per is not None:
            joined = join_units(judged, probabilities, read_units(units, per, heard), per, heard)
            unit = PerUnit(per, RULE, measure_part(task, *joined, len(joined[0])))
    measured = time.perf_counter()
    plain = probabilities if answered.plain is None else answered.plain[chosen]
    changed = measure_robustness(replace(predictor, views=1), judged, plain, heard) if robustness else None
    result = EvaluateResult(
        run=run,
        folder=folder,
        source=str(source),
        part=labelled.part,
        task=task.kind,
        classes=task.classes,
        figures=figures,
        temperature=predictor.facts.temperature,
        trained_on=known.trained,
        trained_groups=known.groups,
        unknown=labelled.unknown,
        unlabelled=labelled.unlabelled,
        by=subgroups,
        per=unit,
        robustness=changed,
        doubt=doubt,
        tta=views,
        decision=decision,
        decided_by=None if stored is None else asdict(stored),
        differences=differences,
        unreadable=tuple(f"{item.image} {item.error}" for item in answered.unreadable),
        reasons=tuple(item.error for item in answered.unreadable),
    )
    if keep and decision is not None:
        result = replace(result, decision=replace(decision, is_kept=True))
    with making_folder(folder, overwrite) as making:
        table, digests = making.partial / "predictions.csv", frame["digest"].tolist()
        write_predictions(table, frame, answered.probabilities, task, answered.statuses, stored, digests)
        now = time.perf_counter()
        seconds = {"predict": predicted - began, "measure": measured - predicted, "robustness": now - measured}
        seconds["total"] = now - began
        result = replace(
            result,
            predictions=folder / "predictions.csv",
            report=folder / runs.REPORT,
            notices=tuple(heard.notices),
            warnings=tuple(heard.warnings),
            seconds={name: round(value, 3) for name, value in seconds.items()},
        )
        runs.write_json(making.partial / runs.METRICS, result.metrics_to_json())
        command = write_evaluate_command(source, run, options)
        told = judged, probabilities, predictor.facts, known.validated, command
        result = report_evaluation(making.partial, result, said, *told, heard)
        ended = time.perf_counter()
        taken = {"report": round(ended - now, 3), "total": round(ended - began, 3)}
        result = replace(result, seconds={**result.seconds, **taken})
        if keep and decision is not None:  # last: what is interrupted before changes nothing in the run
            changed_facts = keep_decision(run, build_decision(decision))
            if (outdated := warn_of_outdated_exports(run, changed_facts)) is not None:
                heard.notice(outdated)
                result = replace(result, notices=tuple(heard.notices), warnings=tuple(heard.warnings))
    report = making.folder / runs.REPORT if (making.folder / runs.REPORT).is_file() else None
    return replace(result, folder=making.folder, predictions=making.folder / "predictions.csv", report=report)


def build_ask(run: Path, address: str | None, batch: int | None, views: int, device: str) -> Ask:
    """Build what asks the workers of a Ray cluster about images."""
    from sightx_cli.cluster.answer_worker import ClusterAnswers

    return ClusterAnswers(run, address, batch, views, device).ask

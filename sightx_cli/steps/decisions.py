"""What a fit has decided before it trains, in its journal: written as JSON, and recalled when the run goes on.

A run that goes on measures nothing again that decides anything: recipe, split, folds and the probe's choices are those
of the journal. The images must be the same, to the byte.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.data.checks import check_files
from sightx_cli.data.fingerprint import build_fingerprint
from sightx_cli.data.readers import Reading
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.splits import write_split
from sightx_cli.errors import DataError
from sightx_cli.features.store import FeatureStore
from sightx_cli.journal.journal import Journal
from sightx_cli.progress import Notice, Relay
from sightx_cli.recipe.decision import Choice
from sightx_cli.recipe.plan import Plan, PlanValue, plan_to_json
from sightx_cli.recipe.recipe import Recipe, recipe_to_toml
from sightx_cli.results.inspect import Shift
from sightx_cli.results.leaks import Leaks
from sightx_cli.results.probe import ProbedChoices
from sightx_cli.startup.imports import NETWORKS, importing
from sightx_cli.steps.earlier_run import open_earlier_run
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, plan_pixels
from sightx_cli.steps.split import adjust_manifest
from sightx_cli.task.kinds import load_task

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image", "label", "digest", "split", "group", "fold")
"""What is kept of each image."""
SAME = ("image", "label", "digest")
"""What must be the same of each image when the run goes on."""


def write_decisions(preparation: Preparation, journal: Journal, heard: Relay) -> None:
    """Write recipe, plan, split and fingerprint into the run, and all of it in one file to go on from.

    What was warned of and noticed so far (`heard`) holds for the run that goes on too.
    """
    from pydantic import TypeAdapter

    def plain(kind: Any, value: Any) -> Any:
        return TypeAdapter(kind).dump_python(value, mode="json")

    frame = preparation.frame
    images = {name: frame[name].tolist() if name in frame else [""] * len(frame) for name in COLUMNS}
    found = {
        "recipe": preparation.recipe.model_dump(exclude_unset=True),
        "plan": plan_to_json(preparation.plan),
        "notices": [asdict(notice) for notice in heard.notices],
        "metric": preparation.metric,
        "task": preparation.task.to_json(),
        "folds": preparation.folds,
        "choice": plain(Choice | None, preparation.choice),
        "shift": plain(Shift | None, preparation.shift),
        "leaks": plain(Leaks, preparation.leaks),
        "reading": plain(Reading, preparation.reading),
        "probed": plain(ProbedChoices | None, preparation.probed),
        "images": images,
        "warnings": heard.warnings,
    }
    (journal.folder / runs.RECIPE).write_text(recipe_to_toml(preparation.recipe), encoding="utf-8")
    runs.write_json(journal.folder / runs.PLAN, plan_to_json(preparation.plan, heard.notices))
    runs.write_json(journal.folder / runs.FINGERPRINT, preparation.fingerprint.to_json())
    write_split(frame, journal.folder / runs.SPLIT)
    journal.keep_decisions(json.dumps(found, default=lambda value: value.tolist()))


def recall_preparation(journal: Journal, options: Options, listener: Relay) -> Preparation:
    """Prepare a fit that goes on: read and check the images, and take every decision from the journal.

    What was warned of is said again. Raises DataError, with what differs, where the images are not those that the run
    was begun with, and RunError where the decisions are damaged.
    """
    from pydantic import TypeAdapter

    began = time.perf_counter()
    found = json.loads(journal.read_decisions())
    recipe = Recipe.model_validate(found["recipe"])
    if earlier := open_earlier_run(options):
        options = earlier.settle_labels(options)
        earlier.check_unchanged(found["plan"])
    manifest, _ = adjust_manifest(options, load_manifest(options.source, options.layout()), listener)
    store = FeatureStore() if options.cache else None
    reading = TypeAdapter(Reading).validate_python(found["reading"])
    pixels = plan_pixels(recipe, store, reading)
    with importing(NETWORKS, listener):
        checked = check_files(manifest.frame, listener, pixels=pixels, reading=reading)
    frame = recall_split(checked.frame, found["images"], options.source)
    for notice in found["notices"]:
        listener.notice(Notice(**notice))
    for line in found["warnings"]:
        if line not in listener.warnings:
            listener.warn(line)
    plan, task = found["plan"], load_task(found["task"])
    values = {key: PlanValue(**one) for key, one in plan["values"].items()}
    return Preparation(
        options,
        manifest,
        frame,
        checked.unreadable,
        build_fingerprint(manifest, frame, checked.unreadable, checked.headers),
        recipe,
        TypeAdapter(Choice | None).validate_python(found["choice"]),
        Plan(recipe, plan["recipe_origin"], values, plan["sentence"], plan["reason"]),
        found["metric"],
        task,
        TypeAdapter(Leaks).validate_python(found["leaks"]),
        found["folds"],
        TypeAdapter(ProbedChoices | None).validate_python(found["probed"]),
        {"prepare": time.perf_counter() - began},
        TypeAdapter(Shift | None).validate_python(found["shift"]),
        store,
        pixels,
        reading,
        earlier,
        earlier.measure_change(frame, task) if earlier else None,
    )


def recall_split(frame: pd.DataFrame, images: Mapping[str, list[str]], source: str | Path) -> pd.DataFrame:
    """Give the images of today the parts, groups and folds of the journal, in its order; raises DataError."""
    now = dict(zip(frame["image"], zip(*(frame[name] for name in SAME), strict=True), strict=True))
    then = dict(zip(images["image"], zip(*(images[name] for name in SAME), strict=True), strict=True))
    new, gone = [name for name in now if name not in then], [name for name in then if name not in now]
    changed = [name for name, facts in then.items() if name in now and now[name] != facts]
    differences = [
        f"{len(names):,} {'image is' if len(names) == 1 else 'images are'} {what} ({names[0]})"
        for names, what in ((new, "new"), (gone, "gone"), (changed, "changed"))
        if names
    ]
    repeats = len(now) < len(frame) or len(then) < len(images["image"])  # then only the order tells the rows apart
    if differences or (repeats and any(frame[name].tolist() != images[name] for name in SAME)):
        raise DataError(
            f"--resume: {source} is not what this run was begun with: {'; '.join(differences) or 'other rows'}",
            "give the folder or table as it was, or start again without --resume",
        )
    if not repeats:
        frame = frame.set_index("image").loc[images["image"]].reset_index()[list(frame.columns)]
    return frame.assign(**{name: images[name] for name in ("split", "group", "fold")})

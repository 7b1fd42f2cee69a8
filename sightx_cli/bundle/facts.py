"""The bundle: the files of a trained model that are enough to predict, on any machine, without torch.

`bundle.json` holds the task with its classes, preprocessing, backbone and head, and the SHA-256 of every other file;
`graph.xml` and `.bin` the compiled form, uint8 images in, probabilities out; `weights.safetensors` the same weights for
further training. Nothing in it is a pickle. Where OpenVINO cannot convert the network there is no graph, and torch
predicts from the weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli import runs
from sightx_cli.bundle.chosen_threshold import Decision, check_decision
from sightx_cli.bundle.familiarity import Familiarity
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.errors import RunError, UsageError
from sightx_cli.filesystem import check_ordinary
from sightx_cli.model.packaged import digest_weights
from sightx_cli.recipe.profiles import PROFILES, Profile, leave_out
from sightx_cli.task.kinds import load_task
from sightx_cli.task.task import Task

FORMAT_VERSION = 4


@dataclass(frozen=True)
class Sets:
    """What says that an image is unsure (see `metrics.conformal`)."""

    level: float
    """The level used; another may be asked of the floors."""
    floors: dict[str, tuple[float, ...]]
    """By level: the probability from which each class is in an image's set, in their order; of several labels those of
    having each, then of not having it."""
    on: str
    """The predictions that they were measured on: "out of fold" or "valid"."""
    images: int
    shares: tuple[float, ...] = ()
    """The share of each class in the training images, where the model learned as if all had the same; else empty."""


@dataclass(frozen=True)
class Borne:
    """The changes of an augmentation profile that leave the labels alone, as measured or as the user said."""

    profile: str
    off: tuple[str, ...] = ()
    """The changes that the labels do not bear."""

    def build_profile(self) -> Profile:
        """Build the profile of what may be changed."""
        return leave_out(PROFILES[self.profile], self.off)


@dataclass(frozen=True)
class BundleFacts:
    """All that prediction needs to know beside the graph."""

    task: Task
    size_px: int
    fit: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    backbone: str
    head: dict[str, Any]
    recipe: str
    temperature: float = 1.0
    thresholds: dict[str, float] | None = None
    sets: Sets | None = None
    """None where there were no predictions to measure it on."""
    familiarity: Familiarity | None = None
    """None where no layer is as it was pretrained."""
    decision: Decision | None = None
    """The threshold of the user's own, where there is one."""
    borne: Borne | None = None
    """None where that was neither measured nor said."""
    grey: str | None = None
    """How the stem was made for one channel, "mean" or "sum"; images go in as RGB all the same."""
    reading: Reading = AS_IS
    """How pixels are taken from files that leave a choice: as in training."""
    graph: bool = True
    """False where OpenVINO cannot convert the network: torch predicts from the weights."""
    pretrained: str | None = None
    """What identifies the weights that the backbone still has (`Weights.digest`); None where training changed them."""
    files: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of each other file of the bundle, by its name: what identifies the model."""
    format: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the content of `bundle.json`."""
        return {**asdict(self), "task": self.task.to_json()}


def write_facts(folder: Path, facts: BundleFacts) -> None:
    """Write `bundle.json` into a bundle folder, last, with the digests of the files that are there."""
    files = {file.name: digest_weights(file) for file in sorted(folder.iterdir()) if file.name != runs.BUNDLE_FACTS}
    runs.write_json(folder / runs.BUNDLE_FACTS, replace(facts, files=files).to_json())


def load_facts(run: Path) -> BundleFacts:
    """Read a run's `bundle.json`; raises RunError on a damaged one, one of another format, or values that cannot be."""
    path = run / runs.BUNDLE / runs.BUNDLE_FACTS
    try:
        check_ordinary(path)
        text = path.read_bytes()
        version = json.loads(text)["format"]
        if version == FORMAT_VERSION:
            from sightx_cli.bundle.facts_schema import parse_facts

            return build_facts(parse_facts(text))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error})", "fit again, or name another run") from error
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise RunError(
            f"{path}: was made by a newer version of SightX (format {version}, this one reads {FORMAT_VERSION})",
            "pip install --upgrade sightx-cli",
        )
    raise RunError(
        f"{path}: format {version}, this version reads {FORMAT_VERSION}",
        "predict with the version of sightx that made it, or fit again",
    )


def build_facts(table: Mapping[str, Any]) -> BundleFacts:
    """Build facts from the checked values of `bundle.json`; raises ValueError where they contradict each other."""
    task = load_task(table["task"]).set_thresholds(table["thresholds"])
    parts = {"sets": Sets, "familiarity": Familiarity, "decision": Decision, "borne": Borne}
    built = {name: None if table[name] is None else part(**table[name]) for name, part in parts.items()}
    facts = BundleFacts(**{**table, **built, "task": task, "reading": Reading(**table["reading"])})
    if facts.decision is not None:
        check_decision(facts.decision, task)
    if facts.sets is not None:
        check_sets(facts.sets, task)
    return facts


def check_sets(sets: Sets, task: Task) -> None:
    """Raise ValueError where floors are missing for the level or for a class, or shares for a class."""
    claims = task.list_claims(np.zeros((1, task.outputs))).shape[1]
    if sets.shares and len(sets.shares) != task.outputs:
        raise ValueError(f"sets.shares: found {len(sets.shares)}; allowed: none, or one for each class")
    if f"{sets.level:g}" not in sets.floors or any(len(floors) != claims for floors in sets.floors.values()):
        raise ValueError(f"sets.floors: allowed: {claims} numbers for each level, {sets.level:g} among them")


def keep_decision(run: Path, decision: Decision | None) -> BundleFacts:
    """Store a decision in a run's bundle, or remove it; returns the facts, which are written whole.

    Raises RunError where a file of the bundle is missing or another, UsageError where the classes are not its own.
    """
    facts = load_facts(run)
    check_bundled(run, facts, *facts.files)
    if decision is not None:
        try:
            check_decision(decision, facts.task)
        except ValueError as error:
            raise UsageError(str(error).removeprefix("decision."), "name some of the classes, not all") from error
    changed = replace(facts, decision=decision)
    write_facts(run / runs.BUNDLE, changed)
    return changed


def check_changeable(run: Path, asked: str, hint: str) -> None:
    """Raise RunError where a run's bundle cannot be changed as was `asked`, before there is something to change."""
    if not os.access(run / runs.BUNDLE, os.W_OK):
        raise RunError(
            f"{asked}: {run / runs.BUNDLE} cannot be written to",
            hint,
        )


def check_bundled(run: Path, facts: BundleFacts, *names: str) -> None:
    """Raise RunError where a file of a run's bundle is missing, or is not the one that `bundle.json` was written of."""
    for name in names:
        file = run / runs.BUNDLE / name
        try:
            check_ordinary(file)
            found = digest_weights(file)
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({error.strerror})", "fit again, or name another run") from error
        if found != facts.files.get(name):
            raise RunError(
                f"{file}: is not the file that fit wrote (its SHA-256 is not that of {runs.BUNDLE_FACTS})",
                "copy the run again from where it was made, or fit again",
            )

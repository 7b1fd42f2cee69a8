"""The run that a fit starts from (`--from`): what it knew and chose, what contradicts it, and what changed since."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts, check_bundled, load_facts
from sightx_cli.data.earlier_split import EarlierSplit, load_earlier_split
from sightx_cli.data.readers import Reading
from sightx_cli.data.splits import assign_groups
from sightx_cli.errors import DataError, RunError, UsageError, quote
from sightx_cli.filesystem import read_ordinary
from sightx_cli.metrics.metric import GRADES, MULTI_LABEL
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.names import show_value
from sightx_cli.recipe.settings import read_setting
from sightx_cli.recipe.values import SCRATCH
from sightx_cli.results.retrain import ImageChange, Retraining
from sightx_cli.steps.missing_classes import join_names
from sightx_cli.steps.options import Options

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.model.run_weights import RunWeights
    from sightx_cli.recipe.recipe import Recipe
    from sightx_cli.task.task import Task

KIND = "retraining"
"""Of the notices that tell what changed."""

FIXED = ("backbone", "grey", "head.pool", "head.taps", "head.hidden")
"""Keys of a recipe's network that the run's weights are of: they fit no other value."""

OF_RUN = "run "
"""What the digest of a backbone begins with that a run tuned."""

READING = ("image.page", "image.bands", "image.range")
"""Keys of a recipe that say how pixels are taken from files."""


@dataclass(frozen=True)
class EarlierRun:
    """A finished run to start from."""

    folder: Path
    facts: BundleFacts
    table: dict[str, Any]
    """Its recipe, as it was resolved."""
    known: EarlierSplit
    plan: dict[str, Any]
    """The values of its plan, by dotted key."""

    @property
    def weights(self) -> Path:
        """The file of its network and head."""
        return self.folder / runs.BUNDLE / runs.BUNDLE_WEIGHTS

    @property
    def digest(self) -> str:
        """The SHA-256 of that file."""
        return self.facts.files[runs.BUNDLE_WEIGHTS]

    @property
    def recipe_file(self) -> Path:
        """Where its recipe lies."""
        return self.folder / runs.RECIPE

    @property
    def shown(self) -> str:
        """Its folder as a command takes it, short where it lies below the current one."""
        near = self.folder.relative_to(Path.cwd()) if self.folder.is_relative_to(Path.cwd()) else self.folder
        return str(near)

    def read_weights(self) -> RunWeights:
        """Return where its weights lie, and what is to be known of them to train on."""
        from sightx_cli.model.run_weights import RunWeights

        facts = self.facts
        digest = facts.pretrained or f"{OF_RUN}{self.digest}"
        return RunWeights(self.weights, digest, facts.mean, facts.std)

    def count_frozen_stages(self) -> int | None:
        """Count the stages of its backbone that are as they were pretrained; None for all, 0 where it does not say."""
        if self.facts.pretrained is not None and not self.facts.pretrained.startswith(OF_RUN):
            return None
        return self.facts.familiarity.stages if self.facts.familiarity is not None else 0

    def adapt_recipe(self) -> dict[str, Any]:
        """Return its recipe as one that starts from its weights: nothing is random, and nothing is measured again."""
        table = dict(self.table)
        table["model"] = {**table["model"], "weights": "file"}
        table["image"] = {"off": [], **table["image"]}
        table["stage"] = [
            {**stage, "train": "all"} if stage.get("train") == SCRATCH else stage for stage in table["stage"]
        ]
        return {**table, "ordered": self.facts.task.kind == GRADES}

    def settle_labels(self, options: Options) -> Options:
        """Return the options with what the run took its labels for, where they do not say it."""
        is_set = self.facts.task.kind == MULTI_LABEL and options.multi_label is None
        return replace(options, multi_label=True) if is_set else options

    def settle_groups(self, options: Options, frame: pd.DataFrame, listener: Listener) -> Options:
        """Return the options with the groups that the run was split by, unless they name others or there are none.

        `frame` holds the readable images, with what their tags say.
        """
        then = self.plan.get("data.group_by")
        if then is None or options.group_by is not None:
            return options
        try:
            assign_groups(frame, then)
        except DataError:
            text = (
                f"{self.shown} kept groups together (--group-by {quote(then)}), which these images do not have: they "
                "are split one by one; name their groups with --group-by"
            )
            listener.notice(Notice(KIND, text, len(frame), warns=True))
            return options
        return replace(options, group_by=then)

    def check_recipe(self, recipe: Recipe, overridden: Sequence[str]) -> None:
        """Raise UsageError for options that ask for a network, or weights, other than the run's."""
        hint = f"leave that out, or fit without --from: --weights {quote(self.weights)} starts from its network alone"
        if is_within("model.weights", overridden):
            raise UsageError("--from and --set model.weights contradict each other: it starts from the run's", hint)
        own = {"backbone": self.facts.backbone, "grey": self.facts.grey}
        own |= {f"head.{name}": value for name, value in self.facts.head.items()}
        for key in FIXED:
            asked, then = read_setting(recipe, f"model.{key}"), own[key]
            if asked != (tuple(then) if isinstance(then, list) else then):
                raise UsageError(
                    f"--from {self.shown}: its weights are those of model.{key} = {show_value(then)}, not "
                    f"{show_value(asked)}",
                    hint,
                )

    def choose_reading(self, measured: Reading, overridden: Sequence[str]) -> Reading:
        """Return how pixels are taken: as in the run, with the ranges of kinds of files that are new to it.

        Where an option says how, it is as `measured` for these options.
        """
        if any(is_within(key, overridden) for key in READING):
            return measured
        own, kinds = self.facts.reading, {kind for kind, _, _ in self.facts.reading.ranges}
        return replace(own, ranges=(*own.ranges, *(one for one in measured.ranges if one[0] not in kinds)))

    def check_task(self, task: Task) -> None:
        """Raise UsageError where today's labels are of another kind than the run's: sets against exclusive classes."""
        then, now = self.facts.task, task
        if (then.kind == MULTI_LABEL) != (now.kind == MULTI_LABEL):
            raise UsageError(
                f"--from {self.shown}: was trained for {then.describe()}, and these images have {now.describe()}",
                "give images labelled in the same way (--multi-label or --no-multi-label), or fit without --from",
            )

    def check_unchanged(self, plan: Mapping[str, Any]) -> None:
        """Raise RunError where it is not the run that an unfinished fit with this plan was begun from."""
        if plan["values"]["from.weights"]["value"] != self.digest:
            raise RunError(
                f"--resume: {self.shown}, which this fit starts from, has other weights than when it was begun",
                "put the run back as it was, or start again without --resume",
            )

    def measure_change(self, frame: pd.DataFrame, task: Task) -> Retraining:
        """Measure what changed since: images by their digests, classes by their names."""
        keys, labels = frame[self.known.column].tolist(), frame["label"].tolist()
        known, there = self.known.labels, set(keys)
        same = [(known[key], label) for key, label in zip(keys, labels, strict=True) if key in known]
        change = ImageChange(
            new=len(keys) - len(same),
            gone=sum(key not in there for key in known),
            same=len(same),
            relabelled=sum(then != now for then, now in same),
        )
        then, today = self.facts.task.classes, task.classes
        return Retraining(
            self.folder,
            change,
            tuple(name for name in today if name not in then),
            tuple(name for name in then if name not in today),
        )

    def describe_change(self, change: Retraining, excludes: bool) -> list[Notice]:
        """Say what changed since, and what follows; `excludes` says whether images are left out today."""
        images, fit = change.images, self.facts
        counts = f"{images.new:,} of the images are new, {images.same:,} are known to it, {images.gone:,} are gone"
        kept = f"{fit.backbone}, {fit.size_px} px, {fit.fit}, {fit.task.describe()}"
        found = [Notice(KIND, f"starts from {self.shown} ({fit.recipe}: {kept}): {counts}", images.new)]
        if self.known.column == "image":
            text = f"{self.shown} kept no digests of its images, so they are known by their names"
            found.append(Notice(KIND, text, images.same))
        if not images.same:
            text = (
                f"none of the {images.gone:,} images that {self.shown} knew is among these: what it learned from them "
                "may be forgotten; give the earlier images together with the new ones"
            )
            found.append(Notice(KIND, text, images.gone, warns=True))
        if (left_out := self.plan.get("data.excluded")) and not excludes:
            text = (
                f"{self.shown} left out {left_out:,} image{'s' * (left_out != 1)} by --exclude, and this fit does not: "
                "where they are still there, they count as new; give the same --exclude FILE to leave them out"
            )
            found.append(Notice(KIND, text, left_out, warns=True))
        if images.relabelled:
            text = f"{images.relabelled:,} of the known images bear another label than in {self.shown}: today's counts"
            found.append(Notice(KIND, text, images.relabelled))
        if change.new_classes:
            names = join_names(change.new_classes)
            text = f"new since {self.shown}: {names}; what the head knows of the others is kept"
            found.append(Notice(KIND, text, len(change.new_classes)))
        if change.gone_classes:
            names = join_names(change.gone_classes)
            them = "it" if len(change.gone_classes) == 1 else "them"
            text = (
                f"no image is of {names}, which {self.shown} knows: the new model will never answer {them}; "
                f"to keep {them}, add images of {them}"
            )
            found.append(Notice(KIND, text, len(change.gone_classes), warns=True))
        return found


def settle_from(options: Options) -> Options:
    """Return the options with the run of `--from` by its own folder, so that `runs/latest` still means it afterwards.

    Raises UsageError for options that contradict it, and RunError where there is no finished run, before any work.
    """
    if options.from_run is None:
        return options
    given = options.given()
    for name, why in {
        "recipe": "the run's own recipe goes on: change a value of it with --set",
        "weights": "training starts from the run's weights",
        "shift": "the run's own recipe goes on, whatever the shift",
    }.items():
        if name in given:
            raise UsageError(f"--from and --{name} contradict each other: {why}", f"leave --{name} out, or --from")
    try:
        folder = runs.find_run(options.from_run)
    except RunError as error:
        raise RunError(f"--from {error.message}", error.hint) from error
    if options.out is not None and options.out.resolve() == folder:
        raise UsageError(
            f"--from and --out both name {folder}: the new run would take the place of the one it is compared with",
            "choose another folder with --out",
        )
    return replace(options, from_run=folder)


def open_earlier_run(options: Options) -> EarlierRun | None:
    """Open the run that `--from` names; None where it is not given.

    Raises RunError where something of it is missing or damaged.
    """
    if options.from_run is None:
        return None
    folder = runs.find_run(options.from_run)
    facts = load_facts(folder)
    check_bundled(folder, facts, runs.BUNDLE_WEIGHTS)
    missing = [name for name in (runs.RECIPE, runs.PLAN) if not (folder / name).exists()]
    if missing:
        weights = folder / runs.BUNDLE / runs.BUNDLE_WEIGHTS
        raise RunError(
            f"--from {options.from_run}: has no {join_names(missing)}; a bundle alone cannot be gone on from",
            f"copy the whole run, or fit without --from: --weights {quote(weights)} starts from its network alone",
        )
    table, known = load_table(folder / runs.RECIPE), load_earlier_split(folder / runs.SPLIT, folder / runs.EARLIER)
    return EarlierRun(folder, facts, table, known, read_plan(folder))


def read_plan(folder: Path) -> dict[str, Any]:
    """Read the values of a run's plan by dotted key; none where it has none."""
    try:
        found = json.loads(read_ordinary(folder / runs.PLAN))
        return {key: item["value"] for key, item in found["values"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder / runs.PLAN}: cannot be read ({error})", "copy the whole run again") from error

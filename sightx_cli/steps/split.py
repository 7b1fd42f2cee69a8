"""Which images are used, and in which part: exclusions, groups, leaks of a given split, a new split, folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.column_file import release_columns, working_on_tables
from sightx_cli.data.exclusions import exclude_images
from sightx_cli.data.expression_groups import group_images
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.splits import join_groups, split_manifest
from sightx_cli.data.tags.tag_groups import describe_suggestion, find_suggestion, list_members
from sightx_cli.data.text_columns import list_repeated, list_texts
from sightx_cli.errors import quote
from sightx_cli.progress import Listener, Notice
from sightx_cli.quality.leaks import find_leaks
from sightx_cli.quality.repeats import describe_repeats
from sightx_cli.results.inspect import Guess
from sightx_cli.results.leaks import Leaks
from sightx_cli.steps.earlier_run import EarlierRun
from sightx_cli.steps.kept_split import keep_split, say_trained
from sightx_cli.steps.missing_classes import find_missing_classes
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.steps.options import Options


LEAK, LIKELY_GROUPS = "leak", "likely-groups"
"""Kinds of notices: what both sides of a split share, and groups that nobody named."""


@dataclass(frozen=True)
class Split:
    """The images with their parts (columns split, group, digest, and fold if there are any), and what was found."""

    frame: pd.DataFrame
    leaks: Leaks
    folds: int


def adjust_manifest(options: Options, manifest: Manifest, listener: Listener) -> tuple[Manifest, dict[str, object]]:
    """Leave out what --exclude names, and with --resplit discard the valid part given; the test part stays.

    Returns the outcome of both, for the plan. Raises DataError as `exclude_images` does.
    """
    outcomes: dict[str, object] = {}
    if options.exclude is not None:
        exclusion = exclude_images(manifest, options.exclude)
        manifest = exclusion.manifest
        outcomes["exclude"] = exclusion.excluded
        if exclusion.unmatched:
            listener.warn(
                f"--exclude {options.exclude}: {len(exclusion.unmatched):,} of its names match no image "
                f"(the first: {exclusion.unmatched[0]})"
            )
    if options.resplit and not manifest.has_valid:
        listener.note("--resplit: no valid part was given, so there is nothing to split again")
        outcomes["resplit"] = None
    elif options.resplit:
        frame = manifest.frame.copy()
        frame["split"] = frame["split"].replace("valid", "train")
        if not (frame["split"] == "test").any():
            frame["split"] = ""  # no split is left, as in a plain folder
        manifest = replace(manifest, frame=frame)
    return manifest, outcomes


@working_on_tables()
def split_images(
    options: Options,
    manifest: Manifest,
    frame: pd.DataFrame,
    task: Task,
    listener: Listener,
    earlier: EarlierRun | None = None,
) -> Split:
    """Give every readable image its part, and its fold where folds are made; say what leaks before anything trains.

    `frame` has a column digest. Groups that tags or file names suggest are only reported. Files with the same bytes
    stay together in a split made here. Images that an earlier run knew keep the part that they had, and folds are only
    made if they are asked for: its network has seen them.
    """
    from sightx_cli.probe.folds import assign_folds, choose_fold_count, may_be_folded

    frame = group_images(frame, options.group_by, listener)
    has_groups = bool((frame["group"] != "").any())
    guess = None if has_groups else find_suggestion(frame)
    release_columns(and_free=True)
    leaks = Leaks()
    if manifest.has_valid or manifest.has_test:
        leaks = replace(find_given_leaks(frame, guess), allowed=options.allow_leaks)
        say_leaks(leaks, listener)
    if guess and not leaks.groups:
        listener.notice(note_suggestion(guess, len(frame)))
    for notice in find_identical(frame, options.source):
        listener.notice(notice)
    if earlier is not None and not manifest.has_valid:
        frame = keep_split(frame, earlier, task, options.seed, listener)
    frame = split_manifest(frame, options.seed, strata=task.stratify(list_texts(frame["label"])))
    if earlier is not None:
        say_trained(frame, earlier, options.allow_leaks, listener)
    for notice in find_missing_classes(frame, task, manifest.has_valid):
        listener.notice(notice)
    pool = frame["split"].isin(["train"] if manifest.has_valid else ["train", "valid"]).to_numpy()
    wanted = 0 if options.folds is None and earlier is not None else options.folds
    folds = 0
    if may_be_folded(wanted, int(pool.sum()), manifest.has_valid):  # else not one of a million rows is copied
        rows = frame.loc[pool, ["label", "group", "digest"]]
        together = join_groups(rows["group"], rows["digest"])
        strata = task.stratify(list_texts(rows["label"]))
        folds = choose_fold_count(wanted, strata, together, manifest.has_valid)
    if folds:
        names = np.full(len(frame), "", dtype=object)
        names[pool] = assign_folds(strata, together, folds, options.seed).astype(str)
        frame = frame.assign(fold=names.astype(str))
        if earlier is not None:
            text = f"{earlier.shown} was trained on most of these images, so the folds flatter the head"
            listener.notice(Notice(LEAK, text, folds, warns=True))
        elif options.folds is None:
            listener.note(
                f"few images and a valid part set aside by chance: adding {folds}-fold cross-validation of the head "
                "(--folds 0 turns it off)"
            )
    return Split(frame, leaks, folds)


def find_identical(frame: pd.DataFrame, source: object) -> list[Notice]:
    """Find files that are there more than once, byte by byte; say how many, and with different labels."""
    same, labels = list_repeated(frame["digest"]), list_texts(frame["label"])
    return describe_repeats(same, frame["image"].array, labels, source, "identical files")


def find_given_leaks(frame: pd.DataFrame, guess: Guess | None) -> Leaks:
    """Find what the given parts share: identical files, and groups, the user's or those suggested."""
    if guess is None:
        return find_leaks(frame, frame["digest"], frame["group"])
    return find_leaks(frame, frame["digest"], list_members(frame, guess), guess)


def note_suggestion(guess: Guess, images: int) -> Notice:
    """Return the notice of groups that nobody named: of one patient, or part, and on both sides of a split."""
    option = _name_option(guess.expression)
    what = f"to keep each of the {guess.tagged} on one side" if guess.tagged else "if a group is a patient or a part"
    return Notice(
        LIKELY_GROUPS, f"{describe_suggestion(guess, images)}; {what}, add {option}", guess.images, warns=True
    )


def say_leaks(leaks: Leaks, listener: Listener) -> None:
    """Say before training what a given split leaks, and what to type; one note where the user allowed it."""
    if not leaks:
        return
    found = "; ".join(leaks.describe())
    if leaks.allowed:
        listener.notice(Notice(LEAK, f"leaks allowed: {found}", leaks.files + leaks.groups))
        return
    option = f" {_name_option(leaks.expression)}" if leaks.expression else ""
    advice = []
    if any(leak.part == "valid" for leak in leaks.parts):
        advice.append(f"to split again, add --resplit{option}")
    if any(leak.part == "test" for leak in leaks.parts):
        advice.append("the test part is never changed: leave out those images with --exclude FILE")
    text = (
        f"leak: {found}. A model recognises what it was trained on, so the figures look better than they will be; "
        f"{'; '.join(advice)}; if this is intended, add --allow-leaks"
    )
    listener.notice(Notice(LEAK, text, leaks.files + leaks.groups, warns=True))


def _name_option(expression: str) -> str:
    return f"--group-by {quote(expression)}"

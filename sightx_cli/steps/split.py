"""Which images are used, and in which part: exclusions, groups, leaks of a given split, a new split, folds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.exclusions import exclude_images
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.name_groups import Guess, find_names, guess_groups, name_files
from sightx_cli.data.splits import assign_groups, join_groups, split_manifest
from sightx_cli.features.outputs import digest_files
from sightx_cli.progress import Listener
from sightx_cli.quality.leaks import Leaks, find_leaks

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.steps.options import Request

Facts = dict[str, tuple[object, str]]


@dataclass(frozen=True)
class Split:
    """The images with their parts (columns split, group, digest, and fold if there are any), and what was found."""

    frame: pd.DataFrame
    leaks: Leaks
    folds: int
    facts: Facts


def adjust_manifest(request: Request, manifest: Manifest, listener: Listener) -> tuple[Manifest, Facts]:
    """Leave out what --exclude lists, and with --resplit discard the given valid part; the test part stays.

    Returns the facts for the plan. Raises DataError like `exclude_images`.
    """
    facts: Facts = {}
    if request.exclude is not None:
        exclusion = exclude_images(manifest, request.exclude)
        manifest = exclusion.manifest
        facts["data.excluded"] = (exclusion.excluded, "option")
        if exclusion.unmatched:
            listener.warn(
                f"--exclude {request.exclude}: {len(exclusion.unmatched):,} of its names match no image "
                f"(the first: {exclusion.unmatched[0]})"
            )
    if request.resplit and not manifest.has_valid:
        listener.note("--resplit: no valid part was given, so there is nothing to split again")
    elif request.resplit:
        frame = manifest.frame.copy()
        frame["split"] = frame["split"].replace("valid", "train")
        if not (frame["split"] == "test").any():
            frame["split"] = ""  # no split is left, as in a plain folder
        manifest = replace(manifest, frame=frame)
        facts["data.resplit"] = (True, "option")
    if request.group_by is not None:
        facts["data.group_by"] = (request.group_by, "option")
    return manifest, facts


def split_images(request: Request, manifest: Manifest, frame: pd.DataFrame, listener: Listener) -> Split:
    """Assign every readable image its part, and its fold if there are folds; report leaks before anything trains.

    Groups guessed from file names are only reported. Files with the same bytes stay together in a split made here.
    """
    from sightx_cli.probe.folds import assign_folds, choose_fold_count

    frame = assign_groups(frame, request.group_by)
    frame = frame.assign(digest=digest_files([str(path) for path in frame["path"]]))
    has_groups = bool((frame["group"] != "").any())
    guess = None if has_groups else guess_groups(frame["image"].tolist(), frame["label"].tolist())
    leaks = Leaks(())
    if manifest.has_valid or manifest.has_test:
        leaks = find_given_leaks(frame, guess)
        say_leaks(leaks, request, listener)
    if guess and not leaks.groups:
        listener.warn(
            f"file names such as {guess.example} look like groups: {guess.images:,} of {len(frame):,} images share a "
            f"group with another; if a group is a patient or a part, add {_name_option(guess.expression)}"
        )
    frame = split_manifest(frame, request.seed)
    facts: Facts = {}
    if leaks:
        facts["data.leaks"] = ("; ".join(leaks.describe()), "data")
    if request.allow_leaks:
        facts["data.leaks_allowed"] = (True, "option")
    pool = frame["split"].isin(["train"] if manifest.has_valid else ["train", "valid"]).to_numpy()
    rows = frame[pool]
    together = join_groups(rows["group"].tolist(), rows["digest"].tolist())
    folds = choose_fold_count(request.folds, rows["label"].tolist(), together, manifest.has_valid)
    if folds:
        codes = np.unique(rows["label"].to_numpy().astype(str), return_inverse=True)[1]
        names = np.full(len(frame), "", dtype=object)
        names[pool] = assign_folds(codes, together, folds, request.seed).astype(str)
        frame = frame.assign(fold=names.astype(str))
        if request.folds is None:
            listener.note(
                f"few images and no valid part given: adding {folds}-fold cross-validation of the head "
                "(--folds 0 turns it off)"
            )
        facts["cross_validation.folds"] = (folds, "default" if request.folds is None else "option")
    return Split(frame, leaks, folds, facts)


def find_given_leaks(frame: pd.DataFrame, guess: Guess | None) -> Leaks:
    """Find what the given parts share: identical files, and groups, the user's or those suggested by file names."""
    digests = frame["digest"].tolist()
    if guess is None:
        return find_leaks(frame, digests, frame["group"].tolist())
    groups = find_names(guess.expression, name_files(frame["image"]))
    return find_leaks(frame, digests, groups, guess.expression)


def say_leaks(leaks: Leaks, request: Request, listener: Listener) -> None:
    """Report before training what a given split leaks, and what to type; only a note if the user allowed it."""
    if not leaks:
        return
    found = "; ".join(leaks.describe())
    if request.allow_leaks:
        listener.note(f"leaks allowed: {found}")
        return
    option = f" {_name_option(leaks.expression)}" if leaks.expression else ""
    mend = []
    if any(leak.part == "valid" for leak in leaks.parts):
        mend.append(f"to split again, add --resplit{option}")
    if any(leak.part == "test" for leak in leaks.parts):
        mend.append("the test part is never changed: leave out those images with --exclude FILE")
    listener.warn(
        f"leak: {found}. A model recognises what it was trained on, so the figures look better than they will be; "
        f"{'; '.join(mend)}; if this is intended, add --allow-leaks"
    )


def _name_option(expression: str) -> str:
    return f"--group-by {shlex.quote(expression)}"

"""Finds what would stop training before it starts: files that cannot be read, classes with too few images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sightx_cli.data.check_processes import checking_apart
from sightx_cli.data.column_file import build_column, keep_in_file, working_on_tables
from sightx_cli.data.contents import ManyFacts, measure_files
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.readers import AS_IS, Found, Header, Reading, check_image
from sightx_cli.data.tags.tag_groups import add_tag_columns
from sightx_cli.data.text_columns import count_texts, find_trained
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener
from sightx_cli.task.label_text import count_names

if TYPE_CHECKING:
    import pandas as pd

MIN_IMAGES_PER_CLASS = 2
"""One image to train on and one to validate on: the least that can be split."""
REASONS_SHOWN = 3
"""The most reasons for which files cannot be read that one message lists."""


@dataclass(frozen=True)
class Unreadable:
    """One image that was left out, and why in a few words."""

    image: str
    error: str
    hint: str = ""
    """What to do about it."""


@dataclass(frozen=True)
class CheckedFiles:
    """The rows whose files can be read, their headers, and the others.

    The rows have a new index, and new columns: digest, and what the files say of themselves (`tag_groups`).
    """

    frame: pd.DataFrame
    headers: Sequence[Header]
    unreadable: list[Unreadable]
    found: Sequence[Found] = ()
    """What each of the rows' files held."""


@working_on_tables()
def check_files(
    frame: pd.DataFrame,
    listener: Listener,
    threads: int | None = None,
    pixels: PlainViews | None = None,
    reading: Reading = AS_IS,
) -> CheckedFiles:
    """Read every file of `frame` (columns image, path) once, to its end; one bad file never stops the rest.

    `pixels` takes the plain views that will be asked for next, so that they are not decoded twice; they are of the same
    reading.

    Raises: `DataError` if no file at all can be read.
    """

    def use(path: str, digest: str, data: bytes | None) -> Found:
        found = pixels.decode(path, digest, data) if pixels is not None else None
        return check_image(path, data, reading) if found is None else found

    task = "checking the files"
    listener.start(task, len(frame), "images")
    try:
        with checking_apart(len(frame) if threads is None else 0, reading, pixels) as measure_parts:
            advance = partial(listener.advance, task)
            facts = measure_files(frame["path"], use, advance, threads, reading, measure_parts)
    finally:
        listener.finish(task)
    return sort_files(frame, facts)


def sort_files(frame: pd.DataFrame, facts: ManyFacts) -> CheckedFiles:
    """Separate the rows whose files can be read from the others; raises `DataError` if none can."""
    bad = facts.list_unusable()
    unreadable = [Unreadable(str(frame["image"].iloc[place]), facts[place].error, facts[place].hint) for place in bad]
    if unreadable and len(unreadable) == len(facts):
        raise refuse_all(unreadable)
    good = frame.assign(digest=build_column(facts.give_digests(), frame.index))
    if bad:
        good = good.drop(index=frame.index[bad])
    good = keep_in_file(good.reset_index(drop=True))
    headers, found = facts.list_usable()
    return CheckedFiles(add_tag_columns(good, found), headers, unreadable, found)


def refuse_all(unreadable: Sequence[Unreadable]) -> DataError:
    """Return the error for a set of which no file can be read: the commonest reasons, and what to do."""
    reasons, hint = describe_reasons(unreadable)
    said = f"none of the {len(unreadable):,} images can be read: {reasons}" if len(unreadable) > 1 else reasons
    return DataError(said, hint or "check that these are image files and that you may read them")


def describe_reasons(unreadable: Sequence[Unreadable]) -> tuple[str, str]:
    """Say why files cannot be read, the commonest reason first with an example, and what to do about that one.

    Reasons that differ in numbers or quoted text only are one. Where others need something else done, what to do names
    the file that it is about.
    """
    groups: dict[str, list[Unreadable]] = defaultdict(list)
    for one in unreadable:
        groups[re.sub(r"\d[\d,]*|'.*'", "…", one.error)].append(one)
    commonest = sorted(groups.values(), key=len, reverse=True)
    said = []
    for group in commonest[:REASONS_SHOWN]:
        more = f" (and {len(group) - 1:,} more like it)" if len(group) > 1 else ""
        said.append(f"{group[0].image} {group[0].error}{more}")
    rest = sum(map(len, commonest[REASONS_SHOWN:]))
    if rest:
        said.append(f"{rest:,} for other reasons")
    first, others = commonest[0], {group[0].hint for group in commonest[1:]}
    hint = first[0].hint
    if hint and others - {hint}:
        like_it = " and files like it" if len(first) > 1 else ""
        hint = f"of {first[0].image}{like_it}: {hint}"
    return "; ".join(said), hint


def check_classes(frame: pd.DataFrame, separator: str = "") -> None:
    """Check that the images outside valid and test can be trained on; `separator` joins labels (see `Manifest`).

    Raises: `DataError` for no image at all, for a single class, and for classes with fewer than two images (all named).
    """
    is_trained = find_trained(frame["split"])
    images = int(is_trained.sum())
    counts = count_names(count_texts(frame["label"], is_trained), separator)
    if not images:
        raise DataError("there is no image to train on", "give a folder with one subfolder of images for each class")
    if separator and len(counts) < 2:
        found = f"the only label is {next(iter(counts))!r}" if counts else "no image has a label"
        raise DataError(
            f"{found} among the {images:,} training images; at least two labels are needed",
            "give the other images a label too, such as none, and leave --multi-label out",
        )
    if len(counts) == 1:
        raise DataError(
            f"all {images:,} training images are of one class, {next(iter(counts))!r}; at least two are needed",
            "give a folder with one subfolder for each class, or a table with a column label",
        )
    few = sorted(label for label, count in counts.items() if count < MIN_IMAGES_PER_CLASS)
    if few:
        names = ", ".join(repr(label) for label in few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        raise DataError(
            f"too few training images in {len(few)} class{'es' if len(few) > 1 else ''}: {names} "
            f"({'each has' if len(few) > 1 else 'it has'} one); at least {MIN_IMAGES_PER_CLASS} are needed",
            "add images to it, merge it with another class, or remove it",
        )
    unknown = sorted(set(count_names(count_texts(frame["label"]), separator)) - set(counts))
    if unknown:
        raise DataError(
            f"the valid or test part has images of {', '.join(map(repr, unknown[:5]))}, "
            "a class without training images",
            "add images of it to the train part, or remove it",
        )

"""The images that a model is judged on: of which part, with which labels, and what of them cannot be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.layout import AS_JUDGED, Layout
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.overview import describe_classes
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.spellings import describe_matches, fold_spelling, index_spellings
from sightx_cli.data.splits import assign_groups
from sightx_cli.dicom.identities import GROUP_TAGS
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener, Notice
from sightx_cli.task.label_text import join_labels, split_names
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

JUDGED_PARTS = ("test", "valid")
"""The parts that a model is judged on where there are some, the first before the second."""
SHOWN = 5
"""The most classes that one line names."""


@dataclass(frozen=True)
class LabelledImages:
    """What a model is asked about."""

    frame: pd.DataFrame
    """All images of the part, as in a manifest, and `is_judged`: whether the label is one that the model knows."""
    part: str
    """test, valid, or all: no part of it is set aside."""
    unknown: Mapping[str, int]
    """How many images have each class that the model does not know."""
    unlabelled: int
    """How many images have no label."""

    @property
    def judged(self) -> pd.DataFrame:
        """The rows that can be judged."""
        return self.frame[self.frame["is_judged"]].drop(columns="is_judged").reset_index(drop=True)


def load_labelled_images(source: str | Path, layout: Layout, task: Task, listener: Listener) -> LabelledImages:
    """Load the images of a source whose labels a model of this task is held against. No image is opened.

    Of a source with parts the test part is taken, else the valid one. Classes are those of the model in any spelling
    that differs by case, blanks or Unicode form only. Raises DataError where nothing can be judged.
    """
    asked = replace(layout, judges=True, multi_label=isinstance(task, MultiLabel), multi_label_by=AS_JUDGED)
    try:
        manifest = load_manifest(source, asked)
    except DataError as error:  # its hints are those of a fit of the same source
        raise DataError(error.message, error.hint.replace("sightx fit ", "sightx evaluate ")) from error
    for notice in (describe_classes(manifest), *manifest.notices):
        listener.notice(notice)
    frame, part = choose_part(manifest, listener)
    labels, respelled = match_classes(frame["label"].tolist(), manifest.separator, task)
    for notice in respelled:
        listener.notice(notice)
    known, several = set(task.classes), isinstance(task, MultiLabel)
    strange = [tuple(name for name in _split(label, task) if name not in known) for label in labels]
    unknown = Counter(name for names in strange for name in names)
    is_unlabelled = [not label and not several for label in labels]
    is_judged = [not names and not bare for names, bare in zip(strange, is_unlabelled, strict=True)]
    found = LabelledImages(
        frame.assign(label=labels, is_judged=is_judged).reset_index(drop=True), part, unknown, sum(is_unlabelled)
    )
    if not any(is_judged) and not unknown:
        raise DataError(
            f"none of the {len(frame):,} images has a label, and without labels nothing can be measured",
            "fill in the labels, name their column with --label-column, or label the images with: sightx predict",
        )
    if not any(is_judged):
        raise DataError(
            f"none of the {len(frame):,} images has a label that the model knows: it was trained on "
            f"{_list(task.classes)}, these are {_list(list(unknown))}",
            "give images of the same classes, or the run that was trained on these with --model",
        )
    for notice in describe_gaps(found, task):
        listener.notice(notice)
    return found


def check_columns(frame: pd.DataFrame, asked: Iterable[tuple[str, str | None]]) -> None:
    """Raise DataError for an option's column, or expression, that is none, before hours of reading images.

    `asked` are flags and what they say. What DICOM files alone can tell is known only when they are read.
    """
    for flag, column in asked:
        if column not in GROUP_TAGS:
            assign_groups(frame, column, flag)


def choose_part(manifest: Manifest, listener: Listener) -> tuple[pd.DataFrame, str]:
    """Choose the rows to judge on: those of test, else of valid, else all; what is passed over is said."""
    frame = manifest.frame
    for part in JUDGED_PARTS:
        rows = frame[frame["split"] == part]
        if len(rows):
            passed = len(frame) - len(rows)
            if passed:
                text = f"measured on the {part} part; the {passed:,} other images are not looked at"
                listener.notice(Notice("part", text, passed))
            return rows, part
    return frame, "all"


def match_classes(labels: Sequence[str], separator: str, task: Task) -> tuple[list[str], list[Notice]]:
    """Give labels the model's spelling of its classes, where only case, blanks or Unicode form differ; and say so."""
    own, known = index_spellings(task.classes), set(task.classes)

    def match(name: str) -> str:
        return name if name in known else own.get(fold_spelling(name), name)

    matched = [_join((match(name) for name in split_names(label, separator)), task) for label in labels]
    said = describe_matches(
        "classes", {name: match(name) for label in labels for name in split_names(label, separator)}
    )
    return matched, [said] if said is not None else []


def describe_gaps(found: LabelledImages, task: Task) -> list[Notice]:
    """Say what cannot be judged: images of unknown classes or without labels, and classes without images."""
    notices = []
    if found.unknown:
        count = int((~found.frame["is_judged"]).sum()) - found.unlabelled
        names = _list([f"{name} ({images:,})" for name, images in found.unknown.items()])
        text = (
            f"{count:,} image{'s' * (count != 1)} of classes that the model does not know, {names}: predicted, but in "
            f"no figure. It knows {_list(task.classes)}"
        )
        notices.append(Notice("unknown-classes", text, count, warns=True))
    if found.unlabelled:
        many = found.unlabelled != 1
        text = f"{found.unlabelled:,} image{'s' * many} without a label: predicted, but in no figure"
        notices.append(Notice("without-label", text, found.unlabelled, warns=True))
    missing = task.find_missing(task.number(found.judged["label"].tolist()))
    if missing:
        text = (
            f"no image of {_list(missing)}: how well the model recognises {'them' if len(missing) > 1 else 'it'} is "
            "not measured, and figures that rank the classes against each other are left out"
        )
        notices.append(Notice("missing-class", text, len(missing), warns=True))
    return notices


def _split(label: str, task: Task) -> tuple[str, ...]:
    return task.split_prediction(label) if label else ()


def _join(names: Iterable[str], task: Task) -> str:
    return join_labels(names, task.separator if isinstance(task, MultiLabel) else "")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

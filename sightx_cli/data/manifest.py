"""One table of labelled images, whatever layout they came in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.folders import natural_key
from sightx_cli.progress import Notice
from sightx_cli.task.label_text import count_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Manifest:
    """All labelled images of one source.

    `frame` has `image` (as given, with its folders relative to `root`), `path` (absolute), `label`, `split` ("",
    "train", "valid" or "test") and `group` ("" where none is set), all text, and whatever else a table brought.
    `kind` is folder, split-folders, table or demo; `classes` are in natural order; `has_order` says whether they
    are grades; `notices` tell the user what was left out or assumed. Where an image may have several labels, `label`
    joins them with `separator`, in the order of the classes; "" is none.
    """

    frame: pd.DataFrame
    root: Path
    kind: str
    classes: tuple[str, ...]
    has_order: bool
    notices: tuple[Notice, ...] = ()
    separator: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """The notices in words, one line each."""
        return tuple(notice.text for notice in self.notices)

    @property
    def has_valid(self) -> bool:
        """Whether the source has images held out for validation."""
        return bool((self.frame["split"] == "valid").any())

    @property
    def has_test(self) -> bool:
        """Whether the source has images held out for the final test."""
        return bool((self.frame["split"] == "test").any())


def build_manifest(
    frame: pd.DataFrame, root: Path, kind: str, notices: Iterable[Notice] = (), separator: str = ""
) -> Manifest:
    """Bring a frame with image, path, label, split and group into a manifest: natural order, classes, their order."""
    classes = tuple(sorted(count_names(frame["label"].tolist(), separator), key=natural_key))
    has_order = have_order(classes) and not separator
    return Manifest(frame.reset_index(drop=True), root, kind, classes, has_order, tuple(notices), separator)


def have_order(classes: Sequence[str]) -> bool:
    """Whether the classes are grades: each begins with a number of its own, as 0_no_dr, 1_mild, or plain 0, 1, 2.

    The number ends the name or is followed by a blank, `_` or `-`; three digits or more are catalogue numbers.
    """
    grades = [re.match(r"(\d{1,2})(?=[ _-]|$)", label) for label in classes]
    return len(classes) > 1 and all(grades) and len({int(grade[1]) for grade in grades if grade}) == len(classes)

"""One table of labelled images, whatever layout they came in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.column_file import keep_in_file
from sightx_cli.data.folders import natural_key
from sightx_cli.data.text_columns import count_texts
from sightx_cli.progress import Notice
from sightx_cli.task.label_text import count_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Manifest:
    """All labelled images of one source.

    `frame` has `image` (as given, with its folders relative to `root`), `path` (absolute), `label`, `split` ("",
    "train", "valid" or "test") and `group` ("" where none is set), all text, and whatever else a table brought.
    `kind` is folder, split-folders, table or demo; `classes` are in natural order; `is_numbered` says whether
    their names begin with numbers, so that they may be grades; `notices` tell the user what was left out or assumed.
    Where an image may have several labels, `label` joins them with `separator`, in the order of the classes; "" is
    none.
    """

    frame: pd.DataFrame
    root: Path
    kind: str
    classes: tuple[str, ...]
    is_numbered: bool
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
    """Bring a frame with image, path, label, split and group into a manifest: natural order, classes."""
    classes = tuple(sorted(count_names(count_texts(frame["label"]), separator), key=natural_key))
    is_numbered = are_numbered(classes) and not separator
    frame = keep_in_file(frame.reset_index(drop=True))
    return Manifest(frame, root, kind, classes, is_numbered, tuple(notices), separator)


def are_numbered(classes: Sequence[str]) -> bool:
    """Whether the classes may be grades: each begins with a number of its own, as 0_no_dr, 1_mild, or plain 0, 1, 2.

    The number ends the name or is followed by a blank, `_`, `-` or `+`, as in ages: 0-9, 10-19, 60+. Whether they are
    grades or codes, only the images can tell (see `probe.order`).
    """
    numbers = [re.match(r"(\d{1,9})(?=[ _+-]|$)", label) for label in classes]
    return len(classes) > 1 and all(numbers) and len({int(one[1]) for one in numbers if one}) == len(classes)

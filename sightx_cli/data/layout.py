"""What the user says of a source: where the names, the files and the labels of the images stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sightx_cli.data.tables import exists
from sightx_cli.errors import DataError, UsageError, quote

LAYOUT_HINT = "give a folder with one subfolder of images for each class, or a CSV table with the columns image,label"

TYPED, AS_JUDGED, AS_BEFORE = "--multi-label", "as in the model", "as in the run of --from"
"""For `Layout.multi_label_by`."""


@dataclass(frozen=True)
class Layout:
    """Where things stand in the source; all None: it is found out. Raises UsageError for what contradicts itself."""

    image_column: str | None = None
    label_column: str | None = None
    """One column with the labels, or several with commas between them: one for each class."""
    images: Path | None = None
    """The folder in which a table's relative names are looked up, in place of its own."""
    label_by: str | None = None
    """A regular expression searched for in each file's name: its first group, else the whole match, is the label."""
    multi_label: bool | None = None
    """Whether an image may have several labels; None: the labels tell."""
    group_by: str | None = None
    """What --group-by says; only so that no column is suggested for it."""
    per: str | None = None
    """What --per says; likewise, for the column that it names."""
    judges: bool = False
    """Whether a finished model is judged on the images: rows without a label, a single class, and parts without one to
    train on are then no fault."""
    multi_label_by: str = TYPED
    """What says `multi_label`, as a line about it begins: the option, or the model that is judged or gone on with."""

    def __post_init__(self) -> None:
        """Check what can be checked without the source."""
        if self.label_by is None:
            return
        if self.label_column is not None:
            raise UsageError(
                f"--label-column {self.label_column} and --label-by {self.label_by} both say where the labels are",
                "leave one of them out",
            )
        try:
            re.compile(self.label_by)
        except re.error as error:
            raise UsageError(
                f"--label-by {self.label_by!r} is not a regular expression ({error})",
                r"for names such as cat_12.jpg type --label-by '^[a-z]+'",
            ) from error

    def refuse_for_images(self, source: object, what: str) -> None:
        """Refuse what only a table has, for a source that is none: `what` it is, such as "a folder"."""
        for flag, value in (
            ("--image-column", self.image_column),
            ("--label-column", self.label_column),
            ("--images", self.images),
        ):
            if value is not None:
                raise UsageError(f"{flag} {value}: is for a table, and {source} is {what}", f"leave {flag} out")

    def find_images_folder(self) -> Path | None:
        """Return the folder of --images as an absolute path; raises `DataError` where there is none."""
        if self.images is None:
            return None
        folder = self.images.expanduser().absolute()
        if not folder.is_dir():
            found = "is not a folder" if exists(folder) else "does not exist"
            raise DataError(f"--images {self.images}: {found}", f"see what is there: ls {quote(folder.parent)}")
        return folder


FOUND_OUT = Layout()
"""Nothing is said: everything is found out."""


def check_source(path: Path) -> None:
    """Raise `DataError` for a path that does not exist or cannot be read, with what to look at."""
    try:
        path.stat()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        parent = path.absolute().parent
        hint = f"see what is there: ls {quote(parent)}" if parent.is_dir() else LAYOUT_HINT
        raise DataError(f"{path} {reason}", hint) from error

"""What the user should know of a set's DICOM images: whose windows they are shown by, and what their tags offer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sightx_cli.data.readers import Found
from sightx_cli.data.readers.dicom import NO_WINDOW, WINDOW
from sightx_cli.dicom.identities import CODES
from sightx_cli.progress import Notice

_VALUES_SHOWN = 6


def describe_dicom(found: Sequence[Found]) -> list[Notice]:
    """Return what is said of a set's DICOM images, of what was found in all images; nothing where there are none."""
    return [*_note_windows(found), *_note_codes(found)]


def count_windows(found: Sequence[Found]) -> Counter[str]:
    """Count the windows of their own that images are scaled by, in words, and NO_WINDOW of those that have none."""
    return Counter(value for one in found for name, value in one.tags if name == WINDOW)


def has_window(found: Found) -> bool:
    """Tell whether an image is scaled by a window of its own."""
    return any(name == WINDOW and value != NO_WINDOW for name, value in found.tags)


def _note_windows(found: Sequence[Found]) -> list[Notice]:
    """Say by whose windows grey is scaled: those of the files differ, and not every file has one."""
    windows = count_windows(found)
    without = windows.pop(NO_WINDOW, 0)
    if not windows:
        return []
    shown = windows.total()
    (usual, count), differ = windows.most_common(1)[0], len(windows) > 1
    text = f"{_count(shown)} scaled by the window in each file" + (f" ({usual})" if not differ else "")
    if differ:
        text += f": {len(windows):,} different windows, most often {usual} ({count:,})"
    if without:
        text += f"; {without:,} more have no window"
    if differ or without:
        text += ", so equal values need not look equal; for one range, add --set 'image.range=[LOW, HIGH]'"
    return [Notice("dicom-windows", text, shown, warns=bool(without))]


def _note_codes(found: Sequence[Found]) -> list[Notice]:
    """Say which sides and views there are: columns that images can be grouped by."""
    said, images = [], 0
    for column in CODES:
        values = Counter(value for one in found for name, value in one.tags if name == column)
        if len(values) > 1:
            listed = [f"{value} {count:,}" for value, count in values.most_common(_VALUES_SHOWN)]
            said.append(f"{column} {', '.join(listed)}" + ", …" * (len(values) > _VALUES_SHOWN))
            images = max(images, values.total())
    return [Notice("dicom-tags", f"DICOM tags that may be grouped by: {'; '.join(said)}", images)] if said else []


def _count(images: int) -> str:
    return f"{images:,} DICOM image{'s are' if images != 1 else ' is'}"

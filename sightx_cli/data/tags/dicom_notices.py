"""What the user should know of DICOM images: whose windows they are scaled by, and what their tags offer."""

from __future__ import annotations

from collections import Counter

from sightx_cli.data.readers import Found
from sightx_cli.data.readers.dicom import NO_WINDOW, WINDOW
from sightx_cli.dicom.identities import CODES
from sightx_cli.progress import Notice

RANGE_ADVICE = "for one range, add --set 'image.range=[LOW, HIGH]'"
_VALUES_SHOWN = 6


class DicomTally:
    """Counts the windows, sides and views of images, one after the other, and says what follows."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in (WINDOW, *CODES)}

    def add(self, found: Found) -> None:
        """Count one image."""
        for name, value in found.tags:
            if name in self._counts:
                self._counts[name][value] += 1

    @property
    def has_windows(self) -> bool:
        """Whether images are scaled by windows of their own."""
        return bool(set(self._counts[WINDOW]) - {NO_WINDOW})

    def list_notices(self, can_change: bool = True) -> list[Notice]:
        """Return what is said of the images counted; with what to type, where it still can be."""
        return [*self._describe_windows(can_change), *(self._describe_codes() if can_change else [])]

    def _describe_windows(self, can_change: bool) -> list[Notice]:
        """Say by whose windows grey is scaled: those of the files differ, and not every file has one."""
        if not self.has_windows:
            return []
        windows = self._counts[WINDOW].copy()
        without = windows.pop(NO_WINDOW, 0)
        (usual, count), shown = windows.most_common(1)[0], windows.total()
        text = f"{shown:,} DICOM image{'s are' if shown != 1 else ' is'} scaled by the window in each file"
        if len(windows) > 1:
            text += f": {len(windows):,} different windows, most often {usual} ({count:,})"
        else:
            text += f" ({usual})"
        text += f"; {without:,} more have no window" if without else ""
        if len(windows) > 1 or without:
            text += ", so equal values need not look equal" + (f"; {RANGE_ADVICE}" if can_change else "")
        return [Notice("dicom-windows", text, shown, warns=bool(without))]

    def _describe_codes(self) -> list[Notice]:
        """Say which sides and views there are: columns that images can be grouped by."""
        said, images = [], 0
        for column in CODES:
            values = self._counts[column]
            if len(values) > 1:
                listed = [f"{value} {count:,}" for value, count in values.most_common(_VALUES_SHOWN)]
                said.append(f"{column} {', '.join(listed)}" + ", …" * (len(values) > _VALUES_SHOWN))
                images = max(images, values.total())
        return [Notice("dicom-tags", f"DICOM tags that may be grouped by: {'; '.join(said)}", images)] if said else []

"""The tags that hold for one frame: files of many frames keep some of them apart for each (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GROUPS = {
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction", "WindowCenterWidthExplanation"),
    "FrameAnatomySequence": ("FrameLaterality",),
}
"""Where a frame's own values are, and which of them count here."""


def settle_frame(tags: Dataset, place: int) -> Dataset:
    """Set the tags that a frame, counted from 0, has of its own, or shares with the others; returns the same `tags`."""
    shared = tags.get("SharedFunctionalGroupsSequence") or []
    each = tags.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*shared[:1], *each[place : place + 1]):
        for sequence, names in GROUPS.items():
            for item in (group.get(sequence) or [])[:1]:
                for name in names:
                    if name in item:
                        tags[name] = item[name]
    return tags

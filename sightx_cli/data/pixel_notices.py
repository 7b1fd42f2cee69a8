"""What is said of the pixels after the files were read once: by `fit`, `inspect` and `predict` in the same words.

Files that cannot be read, pages and bands left out, what alpha was taken for, the range of deep values, blank images.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightx_cli.data.checks import Unreadable, describe_reasons
from sightx_cli.data.readers import Found, Reading, Remark
from sightx_cli.data.readers.depth import FRACTIONS, WHOLE_NUMBERS
from sightx_cli.data.tags.dicom_notices import DicomTally
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

MOST = 0.5
"""From this share of the images on something is true of most of them, and warned of."""
BEYOND = 0.1
"""A file's values reach beyond the set's range where they do by more than this share of its width."""
MANY_BEYOND = 0.1
"""From this share of the deep images on it is warned of."""
PAGE_ADVICE = (
    "--set image.page=2 reads the second (where pages are bands, --set image.bands=[1,2,3] shows three in colour)"
)
RANGE_ADVICE = "--set image.range=[LOW,HIGH] sets one for all"


@dataclass
class Count:
    """How many images something is true of, and the first of them."""

    images: int = 0
    example: str = ""

    def add(self, image: str) -> None:
        """Count one more."""
        self.images += 1
        self.example = self.example or image


class PixelTally:
    """Counts what was found in the files of a set, one after the other, and says it: memory does not grow with them."""

    def __init__(self, reading: Reading) -> None:
        self.reading, self.images = reading, 0
        self._fewest, self._most = 0, 0
        self._paged, self._deep, self._alone, self._beyond = Count(), Count(), Count(), Count()
        self._blank, self._blank_paged, self._blank_deep = Count(), Count(), Count()
        self._remarks: dict[Remark, Count] = {}
        self._dicom = DicomTally()

    def add(self, image: str, found: Found) -> None:
        """Count one image, by its name, and what was found in it."""
        self.images += 1
        self._dicom.add(found)
        for remark in found.remarks:
            self._remarks.setdefault(remark, Count()).add(image)
        if found.pages > 1:
            self._paged.add(image)
            self._fewest = min(self._fewest or found.pages, found.pages)
            self._most = max(self._most, found.pages)
        if found.values:
            self._deep.add(image)
            if any(self.reading.find_range(value.kind) is None for value in found.values):
                self._alone.add(image)
            if reaches_beyond(found, self.reading):
                self._beyond.add(image)
        if found.blank:
            self._blank.add(image)
            if found.pages > 1:
                self._blank_paged.add(image)
            if found.values:
                self._blank_deep.add(image)

    def list_notices(self, can_change: bool = True) -> list[Notice]:
        """Return what is said of the images counted; with what to type to change it, where it still can be."""
        return [
            *self._describe_pages(can_change),
            *self._describe_remarks(can_change),
            *(self._describe_range() if can_change else []),
            *self._describe_misfits(can_change),
            *self._dicom.list_notices(can_change),
            *self._describe_blanks(can_change),
        ]

    def _describe_pages(self, can_change: bool) -> list[Notice]:
        count = self._paged.images
        if not count or self.reading.page is not None:
            return []
        held = f"{self._fewest} to {self._most} pages or frames"
        if self._fewest == self._most:
            held = f"{self._most} pages or frames{' each' if count > 1 else ''}"
        said = f"{_count(count, 'file holds', 'files hold')} {held}, of which only the first is read"
        return [self._say("pages", said, count, can_change and PAGE_ADVICE, count >= MOST * self.images)]

    def _describe_remarks(self, can_change: bool) -> list[Notice]:
        notices = []
        for remark, count in sorted(self._remarks.items(), key=lambda item: -item[1].images):
            example = f", such as {count.example}" if count.images < self.images else ""
            said = f"{_count(count.images, 'file has', 'files have')} {remark.text}{example}"
            notices.append(self._say(remark.kind, said, count.images, can_change and remark.advice, remark.warns))
        return notices

    def _describe_range(self) -> list[Notice]:
        reading, deep = self.reading, self._deep.images
        if reading.asked is not None and not deep:
            text = "image.range changes nothing: no image has more than 8 bits, and those with 8 are read as they are"
            return [Notice("range", text, warns=True)]
        if reading.asked is not None or not reading.ranges or deep == self._alone.images:
            return []
        names_kind = len(reading.ranges) > 1 or reading.ranges[0][0] not in (WHOLE_NUMBERS, FRACTIONS)
        ranges = "; ".join(
            f"{kind + ': ' if names_kind else ''}{_say(low)} to {_say(high)}" for kind, low, high in reading.ranges
        )
        which = "all images" if deep == self.images else f"the {deep:,} of {self.images:,} images with more than 8 bits"
        which += " and no window of their own" if deep < self.images and self._dicom.has_windows else ""
        text = (
            f"one range for {which}, measured on the training images: {ranges} become black to white; "
            "--set image.range=file scales each image over its own range"
        )
        return [Notice("range", text, deep)]

    def _describe_misfits(self, can_change: bool) -> list[Notice]:
        """Say which deep images no range was measured for, and which reach beyond it."""
        notices, alone, beyond = [], self._alone, self._beyond
        if alone.images and not self.reading.by_file:
            said = (
                f"{_count(alone.images, 'image has', 'images have')} more than 8 bits, such as {alone.example}, and no "
                "training image that was looked at is like it: scaled over a range of its own"
            )
            said += "" if can_change else ", so what the model says of it may be wrong"
            notices.append(self._say("range-of-its-own", said, alone.images, can_change and RANGE_ADVICE, True))
        if beyond.images:
            said = (
                f"{_count(beyond.images, 'image reaches', 'images reach')} beyond the range of the training images and "
                f"{'is' if beyond.images == 1 else 'are'} cut there, such as {beyond.example}"
            )
            many = beyond.images > MANY_BEYOND * self._deep.images
            notices.append(self._say("beyond-range", said, beyond.images, can_change and RANGE_ADVICE, many))
        return notices

    def _describe_blanks(self, can_change: bool) -> list[Notice]:
        blank, reading = self._blank, self.reading
        if not blank.images:
            return []
        most = blank.images >= MOST * self.images
        said = f"{blank.images:,} of {self.images:,} images are of one colour after reading, such as {blank.example}"
        if self.images == 1:
            said = "the image is of one colour after reading"
        advice = ""
        if self._blank_paged.images and reading.page is None:
            advice = "is the first page empty? --set image.page=2 reads the second"
        elif reading.asked is not None and self._blank_deep.images:
            advice = f"do their values lie within {_say(reading.asked[0])} to {_say(reading.asked[1])} (image.range)?"
        elif most:
            advice = "nothing can be learned from them. Look at some of the files, and leave out what is empty"
        return [self._say("blank", said, blank.images, can_change and advice, most)]

    def _say(self, kind: str, said: str, count: int, advice: str | bool, warns: bool) -> Notice:
        return Notice(kind, f"{said}: {advice}" if advice else said, count, warns)


def describe_pixels(
    images: Sequence[str] | pd.Series[str],
    found: Sequence[Found],
    unreadable: Sequence[Unreadable],
    reading: Reading,
    said: Sequence[Notice] = (),
) -> list[Notice]:
    """Return what is said of a set's pixels: of each readable image its name and what was found in it.

    Files that do not exist are not told of again where they are among what was `said` of the table that names them.
    """
    notices = []
    there = [one for one in unreadable if not one.error.endswith(os.strerror(errno.ENOENT))]
    if len(unreadable) - len(there) <= sum(one.count for one in said if one.kind == "missing-files"):
        unreadable = there
    if unreadable:
        total, count = len(images) + len(unreadable), len(unreadable)
        reasons, hint = describe_reasons(unreadable)
        advice = f". {hint[:1].upper()}{hint[1:]}" if hint else ""
        text = f"left out {count:,} of {total:,} images, which cannot be read: {reasons}{advice}"
        notices.append(Notice("unreadable", text, count, warns=True))
    tally = PixelTally(reading)
    for image, one in zip(images, found, strict=True):
        tally.add(image, one)
    return notices + tally.list_notices()


def reaches_beyond(found: Found, reading: Reading) -> bool:
    """Tell whether a file's values reach well beyond the range measured on the training images."""
    if reading.asked is not None:
        return False
    for value in found.values:
        low, high = reading.find_range(value.kind) or (value.low, value.high)
        room = BEYOND * (high - low)
        if value.low < low - room or value.high > high + room:
            return True
    return False


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _say(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"

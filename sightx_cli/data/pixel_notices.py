"""What is said of the pixels after the files were read once: by `fit` and `inspect` in the same words.

Files that cannot be read, pages and bands left out, what alpha was taken for, the range of deep values, blank images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from sightx_cli.data.checks import Unreadable, describe_reasons
from sightx_cli.data.readers import Found, Reading, Remark
from sightx_cli.progress import Notice

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


def describe_pixels(
    images: Sequence[str], found: Sequence[Found], unreadable: Sequence[Unreadable], reading: Reading
) -> list[Notice]:
    """Return what is said of a set's pixels: of each readable image its name and what was found in it."""
    notices = [_describe_unreadable(unreadable, len(images) + len(unreadable))] if unreadable else []
    notices += _describe_pages(found, reading)
    notices += _describe_remarks(images, found)
    notices += _describe_range(images, found, reading)
    return notices + _describe_blanks(images, found, reading)


def _describe_unreadable(unreadable: Sequence[Unreadable], images: int) -> Notice:
    reasons, hint = describe_reasons(unreadable)
    advice = f". {hint[:1].upper()}{hint[1:]}" if hint else ""
    text = f"left out {len(unreadable):,} of {images:,} images, which cannot be read: {reasons}{advice}"
    return Notice("unreadable", text, len(unreadable), warns=True)


def _describe_pages(found: Sequence[Found], reading: Reading) -> list[Notice]:
    counts = [one.pages for one in found if one.pages > 1]
    if not counts or reading.page is not None:
        return []
    low, high = min(counts), max(counts)
    held = f"{low} to {high} pages or frames"
    if low == high:
        held = f"{low} pages or frames{' each' if len(counts) > 1 else ''}"
    said = f"{_count(len(counts), 'file holds', 'files hold')} {held}, of which only the first is read"
    return [Notice("pages", f"{said}: {PAGE_ADVICE}", len(counts), warns=len(counts) >= MOST * len(found))]


def _describe_remarks(images: Sequence[str], found: Sequence[Found]) -> list[Notice]:
    files: dict[Remark, list[str]] = defaultdict(list)
    for image, one in zip(images, found, strict=True):
        for remark in one.remarks:
            files[remark].append(image)
    notices = []
    for remark, names in sorted(files.items(), key=lambda item: -len(item[1])):
        example = f", such as {names[0]}" if len(names) < len(found) else ""
        advice = f": {remark.advice}" if remark.advice else ""
        text = f"{_count(len(names), 'file has', 'files have')} {remark.text}{example}{advice}"
        notices.append(Notice(remark.kind, text, len(names), remark.warns))
    return notices


def _describe_range(images: Sequence[str], found: Sequence[Found], reading: Reading) -> list[Notice]:
    """Say over which range deep values were scaled, of which files it is not so, and which reach beyond it."""
    deep = [(image, one) for image, one in zip(images, found, strict=True) if one.values]
    if reading.asked is not None and not deep:
        text = "image.range changes nothing: no image has more than 8 bits, and those with 8 are read as they are"
        return [Notice("range", text, warns=True)]
    if reading.asked is not None or not reading.ranges or not deep:
        return []
    several = len(reading.ranges) > 1
    ranges = "; ".join(
        f"{kind + ': ' if several else ''}{_say(low)} to {_say(high)}" for kind, low, high in reading.ranges
    )
    which = (
        "all images" if len(deep) == len(found) else f"the {len(deep):,} of {len(found):,} images with more than 8 bits"
    )
    text = (
        f"one range for {which}, measured on the training images: {ranges} become black to white; "
        "--set image.range=file scales each image over its own range"
    )
    notices = [Notice("range", text, len(deep))]
    alone = _pick(deep, lambda one: any(reading.find_range(value.kind) is None for value in one.values))
    if alone:
        said = (
            f"{_count(len(alone), 'image is', 'images are')} scaled over a range of its own, such as {alone[0]}, "
            "since no training image that was looked at is like it"
        )
        notices.append(Notice("range-of-its-own", f"{said}: {RANGE_ADVICE}", len(alone), warns=True))
    beyond = _pick(deep, lambda one: _reaches_beyond(one, reading))
    if beyond:
        said = f"{_count(len(beyond), 'image reaches', 'images reach')} beyond that range and is cut there, such as "
        text = f"{said}{beyond[0]}: {RANGE_ADVICE}"
        notices.append(Notice("beyond-range", text, len(beyond), warns=len(beyond) > MANY_BEYOND * len(deep)))
    return notices


def _reaches_beyond(found: Found, reading: Reading) -> bool:
    for value in found.values:
        low, high = reading.find_range(value.kind) or (value.low, value.high)
        room = BEYOND * (high - low)
        if value.low < low - room or value.high > high + room:
            return True
    return False


def _describe_blanks(images: Sequence[str], found: Sequence[Found], reading: Reading) -> list[Notice]:
    blank = [(image, one) for image, one in zip(images, found, strict=True) if one.blank]
    if not blank:
        return []
    most = len(blank) >= MOST * len(found)
    text = f"{len(blank):,} of {len(found):,} images are of one colour after reading, such as {blank[0][0]}"
    if any(one.pages > 1 for _, one in blank) and reading.page is None:
        text += ": is the first page empty? --set image.page=2 reads the second"
    elif reading.asked is not None and any(one.values for _, one in blank):
        text += f": do their values lie within {_say(reading.asked[0])} to {_say(reading.asked[1])} (image.range)?"
    elif most:
        text += ": nothing can be learned from them. Look at some of the files, and leave out what is empty"
    return [Notice("blank", text, len(blank), warns=most)]


def _pick(found: Iterable[tuple[str, Found]], fits: Callable[[Found], bool]) -> list[str]:
    return [image for image, one in found if fits(one)]


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _say(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"

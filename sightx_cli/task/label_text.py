"""Several labels as one text, as a cell of the column `label` holds them: names in the order of the classes, joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

SEPARATORS = (";", "|")
"""What may stand between the labels of an image; the first that no name contains joins them."""


NO_LABEL = "no label"
"""What people read where an image has none."""


def name_labels(text: str) -> str:
    """Return the labels of an image for people: as they are joined, or that there is none."""
    return text or NO_LABEL


def choose_separator(names: Iterable[str]) -> str | None:
    """Choose what joins labels of these names; None where each separator occurs in one."""
    known = list(names)
    return next((mark for mark in SEPARATORS if not any(mark in name for name in known)), None)


def join_labels(names: Iterable[str], separator: str) -> str:
    """Join names of labels; "" for none."""
    return separator.join(names)


def split_names(text: str, separator: str) -> tuple[str, ...]:
    """Return the names that a text joins; with no separator the text is one name."""
    if not separator:
        return (text,)
    return tuple(text.split(separator)) if text else ()


def count_names(texts: Iterable[str] | Mapping[str, int], separator: str) -> Counter[str]:
    """Count the images that have each label; `texts` are those of the images, or each with the number of its images."""
    counts = Counter[str]()
    for text, images in Counter(texts).items():
        for name in split_names(text, separator):
            counts[name] += images
    return counts

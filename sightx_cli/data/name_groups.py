r"""Guesses from file names such as `person12_bacteria_3.jpeg` which images belong together, for the user to confirm.

A guess is suggested with the option to type, but never applied: only the user knows what a name means.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightx_cli.data.tables import tidy
from sightx_cli.results.inspect import Guess

if TYPE_CHECKING:
    import pandas as pd

MIN_SHARE = 0.2
"""This share of all images must share a group with another, or the guess is not worth typing."""

MIN_SHARE_OF_KIND = 0.1
"""This share of the images matched by one kind of name must share a group: fewer may be chance."""

FEW = 4
"""A group of this size is never too large a share, however few images there are."""

MOST_NAMES, BLOCK_NAMES = 200_000, 1_000
"""The most names in which kinds are looked for, and how many side by side are taken of more."""

MAX_WORDS = 6
"""More distinct words before the numbers than this are names, not a system."""

_SEPARATORS = re.compile(r"[\\/]|(?<=\.tar)::|(?<=\.pq)::|(?<=\.parquet)::")
_WORDS = (
    "person|patient|pat|pt|subject|subj|sub|participant|volunteer|donor|child|case|study|animal|mouse|specimen|sample|"
    "slide|lesion|plate|wafer|tree|plot|cow|fish"
)


@dataclass(frozen=True)
class Kind:
    """One naming scheme: the pattern to find in a name (its group `word` is kept as found), and what to type for it."""

    finds: str
    each: str = ""
    """What to type for each word found, as `{word}\\d+`; several are joined by |."""
    whole: str = ""
    """What to type for all words at once, as `^.+(?={words})`."""
    most: float = 0.2
    """The largest share of the images that one group may have."""


KINDS = (
    Kind(rf"(?i)(?<![a-z])(?P<word>(?:{_WORDS})[-_ ]?)\d+", each=r"{word}\d+", most=0.5),
    Kind(r"(?<![A-Za-z])(?P<word>[A-Za-z]{1,12}-)\d+(?=-\d+)", each=r"{word}\d+"),  # IM-0115-0001
    Kind(r"(?i)^.+(?P<word>[-_ ](?:left|right|od|os|l|r))(?=[-_ .]|$)", whole="^.+(?={words})"),  # 10_left
    Kind(r"^.+(?P<word>\.rf\.)", whole="^.+(?={words})"),  # Roboflow exports: several versions of one photograph
    Kind(r"(?i)^.+(?P<word>[-_ ](?:slice|frame|view|aug|crop|patch|tile|z|t)[-_ ]?)(?=\d+)", whole="^.+(?={words})"),
    Kind(r"^\d+(?=_\d{1,4}\.)", whole=r"^\d+(?=_)"),  # NIH: 00000013_005.png; not a date and a time
)
"""The known naming schemes, tried in this order; an image counts for the first that matches its name."""


def guess_groups(images: Sequence[str] | pd.Series[str], labels: Collection[str]) -> Guess | None:
    """Guess groups from file names; None if they do not look like groups.

    `images` are names with or without folders, `labels` their classes. A single group, or as few
    groups as classes, does not count: that is a prefix shared by all names, or the class. Of more than MOST_NAMES the
    kinds of names are looked for in blocks of them.
    """
    expressions = _find_expressions(name_files(images if len(images) <= MOST_NAMES else _take_blocks(images)))
    if not expressions:
        return None
    names = name_files(images)
    joined = "|".join(expressions)
    groups = find_names(joined, names)
    sizes = Counter(group for group in groups if group)
    shared = [place for place, group in enumerate(groups) if sizes[group] > 1]
    if len(sizes) <= len(set(labels)) or len(shared) < MIN_SHARE * len(names):
        return None
    return Guess(joined, len(sizes), len(shared), names[shared[0]])


def _find_expressions(names: Sequence[str]) -> list[str]:
    """Find the kinds of names that make groups, and what to type for each."""
    left = list(range(len(names)))
    expressions = []
    for kind in KINDS:
        pattern = re.compile(kind.finds)
        found = {place: match for place in left if (match := pattern.search(names[place]))}
        expression = _write_expression(kind, found.values())
        if expression and _makes_groups(expression, [names[place] for place in found], len(names), kind.most):
            expressions.append(expression)
            left = [place for place in left if place not in found]
    return expressions


def _take_blocks(images: Sequence[str] | pd.Series[str]) -> Iterator[str]:
    """Yield names from evenly spread blocks: those of one group lie side by side, and one by one none would meet."""
    starts = range(0, len(images) - BLOCK_NAMES, len(images) * BLOCK_NAMES // MOST_NAMES)
    return (str(image) for start in starts for image in images[start : start + BLOCK_NAMES])


def name_files(images: Iterable[str]) -> list[str]:
    """Return the file names of image paths, with either kind of separator."""
    return [_SEPARATORS.split(str(image))[-1] for image in images]


def find_names(expression: str, names: Sequence[str]) -> list[str]:
    """Return each name's group by a regular expression: the first parenthesis or the whole match; "" for no match.

    Blanks around a group and the Unicode form of a name make no difference.
    """
    pattern = re.compile(unicodedata.normalize("NFC", expression))
    found = [pattern.search(unicodedata.normalize("NFC", name)) for name in names]
    return ["" if match is None else tidy((match[1] if pattern.groups else match[0]) or "") for match in found]


def _write_expression(kind: Kind, matches: Iterable[re.Match[str]]) -> str:
    """Build the expression to type for the words found; empty if there are none, or too many."""
    found = list(matches)
    if not found:
        return ""
    words = sorted({match["word"] for match in found}) if "(?P<word>" in kind.finds else [""]
    if len(words) > MAX_WORDS:
        return ""
    escaped = [re.escape(word).replace(r"\-", "-").replace(r"\ ", " ") for word in words]
    if kind.each:
        return "|".join(kind.each.format(word=word) for word in escaped)
    return kind.whole.format(words="|".join(escaped))


def _makes_groups(expression: str, names: Sequence[str], total: int, most: float) -> bool:
    sizes = Counter(group for group in find_names(expression, names) if group)
    shared = sum(size for size in sizes.values() if size > 1)
    return (
        len(sizes) > 1
        and sum(size > 1 for size in sizes.values()) > 1
        and shared >= MIN_SHARE_OF_KIND * len(names)
        and max(sizes.values()) <= max(most * total, FEW)
    )

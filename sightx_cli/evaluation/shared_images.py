"""Which images several models share: told by the digests of their bytes, whatever the files are called.

Two data sets may number other photographs alike, and the same files may lie in a folder, in a table or in Parquet. So
names tell images where a digest is missing, and among files with the same bytes; nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from operator import and_

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import DataError
from sightx_cli.evaluation.kept_predictions import KeptPredictions
from sightx_cli.progress import Notice

BY_NAME, NOT_SHARED = "told-by-name", "not-shared"
"""The kinds of the notices."""
EVALUATE = "evaluate each on the same images, and compare the folders that this makes"
NOWHERE = -1
"""The place of an image among the predictions of a model that was not measured on it."""


@dataclass(frozen=True)
class CommonImages:
    """Several models' predictions for the images that all were measured on, in one order."""

    kept: tuple[KeptPredictions, ...]
    notices: tuple[Notice, ...]
    """How images were told where that is not by their bytes, and what was left out."""


@dataclass(slots=True)
class _Image:
    name: str
    target: Hashable
    digest: str
    """"" where no model that was measured on it keeps one."""
    places: list[int]
    """Its row among the predictions of each model, or `NOWHERE`."""

    @property
    def is_shared(self) -> bool:
        return NOWHERE not in self.places


_Key = Callable[[_Image], Hashable | None]
"""What two images must have alike to be one; None of an image that cannot be told so."""


def share_images(kept: Sequence[KeptPredictions], names: Sequence[str]) -> CommonImages:
    """Keep of the predictions of models, named as the user names them, those of images that all have, labelled alike.

    Each row is taken once, however many have the same bytes. Raises DataError where no image is left, which names the
    model that shares none with the others.
    """
    images = [_Image(one.name, one.target, one.digest, [place]) for place, one in enumerate(_list_rows(kept[0]))]
    for one in kept[1:]:
        _join(images, _list_rows(one))
    common = [image for image in images if image.is_shared]
    others = [image for image in images if not image.is_shared]
    why = _describe_likeness(others)
    if not common:
        raise DataError(f"{_describe_strangers(images, names)}{why}", EVALUATE)
    notices = [_tell_names(one, name) for one, name in zip(kept, names, strict=True) if not all(one.digests or ("",))]
    if others:
        left = "1 image that not all of these were measured on is left out"
        if len(others) > 1:
            left = f"{len(others):,} images that not all of these were measured on are left out"
        text = f"{left} of the comparison{why}"
        notices.append(Notice(NOT_SHARED, text, len(others), warns=True))
    chosen = [np.array([image.places[number] for image in common]) for number in range(len(kept))]
    return CommonImages(tuple(map(_take_rows, kept, chosen)), tuple(notices))


def _list_rows(kept: KeptPredictions) -> list[_Image]:
    digests = kept.digests or ("",) * len(kept.images)
    targets = map(tuple, kept.targets.tolist()) if kept.targets.ndim > 1 else kept.targets.tolist()
    return [_Image(*row, []) for row in zip(kept.images, targets, digests, strict=True)]


def _take_rows(kept: KeptPredictions, rows: NDArray[np.int64]) -> KeptPredictions:
    return replace(
        kept,
        images=tuple(kept.images[row] for row in rows),
        targets=kept.targets[rows],
        probabilities=kept.probabilities[rows],
        together=tuple(kept.together[row] for row in rows),
        digests=tuple(kept.digests[row] for row in rows) if kept.digests else (),
    )


def _join(images: list[_Image], rows: Sequence[_Image]) -> None:
    """Give each image its row of one model more; what that model alone has is added.

    Those that all models before have come first: copies that one of them lacks must not take the place of one.
    """
    found: set[int] = set()
    for chosen in ([one for one in images if one.is_shared], [one for one in images if not one.is_shared]):
        taken: set[int] = set()
        for own, other in _list_keys():
            for place, row in _pair_by(own, other, chosen, rows, taken, found):
                taken.add(place)
                found.add(row)
                chosen[place].places.append(row)
                chosen[place].digest = chosen[place].digest or rows[row].digest
        for place, one in enumerate(chosen):
            if place not in taken:
                one.places.append(NOWHERE)
    before = len(images[0].places) - 1
    alone = (place for place in range(len(rows)) if place not in found)
    images += [replace(rows[place], places=[NOWHERE] * before + [place]) for place in alone]


def _list_keys() -> tuple[tuple[_Key, _Key], ...]:
    """What tells images of the models before, and of the next one: the surest first."""

    def by_all(one: _Image) -> Hashable | None:
        return (one.digest, one.target, one.name) if one.digest else None

    def by_digest(one: _Image) -> Hashable | None:
        return (one.digest, one.target) if one.digest else None

    def by_name(one: _Image) -> Hashable | None:
        return one.name, one.target

    def by_name_alone(one: _Image) -> Hashable | None:
        return None if one.digest else (one.name, one.target)

    return (by_all, by_all), (by_digest, by_digest), (by_name_alone, by_name), (by_name, by_name_alone)


def _pair_by(
    own: _Key,
    other: _Key,
    images: Sequence[_Image],
    rows: Sequence[_Image],
    taken: set[int],
    found: set[int],
) -> Iterator[tuple[int, int]]:
    """Yield pairs of an image and a row that are alike, neither of them taken; of several, in their order."""
    waiting: dict[Hashable, list[int]] = {}  # the last first; a deque of one would take ten times the memory
    for place in reversed(range(len(rows))):
        if place not in found and (key := other(rows[place])) is not None:
            waiting.setdefault(key, []).append(place)
    for place, image in enumerate(images):
        if waiting and place not in taken and (key := own(image)) is not None and waiting.get(key):
            yield place, waiting[key].pop()


def _tell_names(kept: KeptPredictions, name: str) -> Notice:
    count = kept.digests.count("") if kept.digests else len(kept.images)
    text = (
        f"{name} keeps no digest of the bytes of {count:,} of its images: they are told by file name and label alone, "
        "so other images of the same names would be taken for them"
    )
    return Notice(BY_NAME, text, count)


def _describe_likeness(others: Sequence[_Image]) -> str:
    """Say what images that not all models have are mistaken for: "" where there is nothing of the kind."""
    by_digest = [one for one in others if one.digest]
    by_name = [one for one in others if not one.digest]
    counts = {
        "the same {name} but other contents": _count_unlike(by_digest, lambda one: one.name, lambda one: one.digest),
        "the same contents but {other}": _count_unlike(by_digest, lambda one: one.digest, lambda one: one.target),
        "the same {name} but {other}": _count_unlike(by_name, lambda one: one.name, lambda one: one.target),
    }
    one, several = {"name": "name", "other": "another label"}, {"name": "names", "other": "other labels"}
    said = [
        f"1 image has {what.format(**one)}" if count == 1 else f"{count:,} images have {what.format(**several)}"
        for what, count in counts.items()
        if count
    ]
    return f": {', and '.join(said)}" if said else ""


def _count_unlike(images: Sequence[_Image], alike: _Key, unlike: _Key) -> int:
    """Count what is alike of images that no one model has both of, and that differ otherwise."""
    together: dict[Hashable, set[tuple[Hashable, tuple[bool, ...]]]] = {}
    for image in images:
        holders = tuple(place != NOWHERE for place in image.places)
        together.setdefault(alike(image), set()).add((unlike(image), holders))
    return sum(
        any(one[0] != two[0] and not any(map(and_, one[1], two[1])) for one, two in combinations(each, 2))
        for each in together.values()
    )


def _describe_strangers(images: Sequence[_Image], names: Sequence[str]) -> str:
    """Say which of the models has no image in common with the others."""
    pairs = {
        pair
        for image in images
        for pair in combinations([number for number, place in enumerate(image.places) if place != NOWHERE], 2)
    }
    known = {number for pair in pairs for number in pair}
    strangers = [name for number, name in enumerate(names) if number not in known]
    if strangers and known:
        was = "was" if len(strangers) == 1 else "were"
        return f"{' and '.join(strangers)} {was} measured on no image in common with the others"
    for one, two in combinations(range(len(names)), 2):
        if known and (one, two) not in pairs:
            return f"{names[one]} and {names[two]} were measured on no image in common"
    return "these models were measured on no image in common" + (
        ", though each two of them share some" if known else ""
    )

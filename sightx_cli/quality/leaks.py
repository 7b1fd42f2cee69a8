"""Finds what a given split has on both sides: identical files and groups (patients, parts).

A model can recognise what it has seen in training: such images make its figures look better than they will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PARTS = (("valid", "train"), ("test", "train"), ("test", "valid"))
"""The pairs of parts that must have nothing in common; the first of each is held out."""


@dataclass(frozen=True)
class PartLeak:
    """What one part shares with another: files of `part` also in `other`, groups, and images of these groups."""

    part: str
    other: str
    files: int
    groups: int
    groups_in_part: int
    images: int


@dataclass(frozen=True)
class Leaks:
    """All leaks of a split; `expression` is the guess from file names that defined the groups, None if the user did."""

    parts: tuple[PartLeak, ...]
    expression: str | None = None

    @property
    def files(self) -> int:
        """The number of held-out files that are also in another part."""
        return sum(leak.files for leak in self.parts)

    @property
    def groups(self) -> int:
        """The number of groups on both sides, added up over pairs of parts."""
        return sum(leak.groups for leak in self.parts)

    def __bool__(self) -> bool:
        """Whether anything leaks."""
        return bool(self.files or self.groups)

    def to_json(self, allowed: bool) -> dict[str, object]:
        """Return the JSON contract of `leaks`; `group_by` is the expression guessed from file names."""
        guessed = {"group_by": self.expression} if self.expression and self.groups else {}
        return {"files": self.files, "groups": self.groups, "allowed": allowed, **guessed}

    def describe(self) -> list[str]:
        """Describe each leak in one line, without advice."""
        lines = []
        for leak in self.parts:
            if leak.groups:
                by = f", judging by file names ({self.expression})" if self.expression else ""
                lines.append(
                    f"{leak.groups:,} of the {leak.groups_in_part:,} groups in {leak.part} "
                    f"({leak.images:,} images) are also in {leak.other}{by}"
                )
            if leak.files:
                files = "1 identical file" if leak.files == 1 else f"{leak.files:,} identical files"
                lines.append(f"{files} in {leak.other} and {leak.part}")
        return lines


def find_leaks(
    frame: pd.DataFrame, digests: Sequence[str], groups: Sequence[str], expression: str | None = None
) -> Leaks:
    """Find what the parts of `frame` (column `split`, "" counts as train) have in common.

    `digests` and `groups` ("" for none) belong to its rows.
    """
    parts = frame["split"].replace("", "train").tolist()
    found = []
    for part, other in PARTS:
        leak = PartLeak(
            part,
            other,
            files=_count_shared(parts, digests, part, other)[1],
            groups=_count_shared(parts, groups, part, other)[0],
            groups_in_part=len({group for group, where in zip(groups, parts, strict=True) if group and where == part}),
            images=_count_shared(parts, groups, part, other)[1],
        )
        if leak.files or leak.groups:
            found.append(leak)
    return Leaks(tuple(found), expression)


def _count_shared(parts: Sequence[str], keys: Sequence[str], part: str, other: str) -> tuple[int, int]:
    """Count the keys that both parts have, and the images of `part` with one of them."""
    there: set[Any] = {key for key, where in zip(keys, parts, strict=True) if key and where == other}
    here = [key for key, where in zip(keys, parts, strict=True) if key and where == part and key in there]
    return len(set(here)), len(here)

"""What a given split has on both sides: identical files, groups (patients, parts), and copies saved anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
class CopiesAcross:
    """What was found: `copies` among `looked_at` pairs, with the names of one, and the seconds it took."""

    copies: int
    looked_at: int
    example: tuple[str, str]
    seconds: float


@dataclass(frozen=True)
class Leaks:
    """All leaks of a split; `expression` is the suggestion that defined the groups, None if the user did."""

    parts: tuple[PartLeak, ...] = ()
    expression: str | None = None
    allowed: bool = False
    """Whether the user allowed them."""
    copies: CopiesAcross | None = None
    """Valid images that are training images, resized or re-encoded; None where there are none."""
    basis: str = ""
    """What the suggestion judges by, in words: file names, or a tag within the files."""

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
        return bool(self.files or self.groups or self.copies)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `leaks`; `group_by` is what was suggested."""
        found: dict[str, Any] = {"files": self.files, "groups": self.groups, "allowed": self.allowed}
        if self.expression and self.groups:
            found["group_by"] = self.expression
        if self.copies:
            found |= {"copies": self.copies.copies, "copies_among": self.copies.looked_at}
        return found

    def describe(self) -> list[str]:
        """Describe what the parts share in one line each, without advice."""
        lines = []
        for leak in self.parts:
            if leak.groups:
                by = f", judging by {self.basis}" if self.expression else ""
                lines.append(
                    f"{leak.groups:,} of the {leak.groups_in_part:,} groups in {leak.part} "
                    f"({leak.images:,} images) are also in {leak.other}{by}"
                )
            if leak.files:
                files = "1 identical file" if leak.files == 1 else f"{leak.files:,} identical files"
                lines.append(f"{files} in {leak.other} and {leak.part}")
        return lines

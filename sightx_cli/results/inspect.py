"""The result of `inspect`: everything found about a data set, with its JSON form (DESIGN's contract)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.recipe.decision import Verdict
from sightx_cli.results.findings import Finding
from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class Shortcut:
    """A class that one property tells from all others: how well (balanced accuracy), and what both are like."""

    label: str
    what: str
    balanced_accuracy: float
    usual: str
    others: str


@dataclass(frozen=True)
class Copies:
    """Files that show one photograph: with their labels and parts; `kind` is bytes, pixels or near."""

    files: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    kind: str

    @property
    def conflict(self) -> bool:
        """Whether they bear different labels."""
        return len(set(self.labels)) > 1

    @property
    def leaks(self) -> bool:
        """Whether they stand in several parts."""
        return len(set(self.splits)) > 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of one of `duplicates`."""
        return {**to_object(vars(self)), "conflict": self.conflict}


@dataclass(frozen=True)
class Shift:
    """How far images are from ImageNet."""

    score: float
    """0 for ImageNet itself; see EDGE in `quality.divergence`."""
    verdict: Verdict
    edge: float
    """The score from which these images count as different: EDGE, or more if they had to be enlarged a lot."""
    images: int
    """How many were sampled."""
    enlarged: float | None
    """The median factor by which they were enlarged for the network; None if they were not."""
    grey: bool
    """Whether they are grey, whatever their files' colour mode."""
    note: str
    """What makes the score uncertain, in full sentences; empty if nothing does."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `shift`."""
        return vars(self) | {
            "score": round(self.score, 3),
            "edge": round(self.edge, 3),
            "enlarged": None if self.enlarged is None else round(self.enlarged, 2),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Advice:
    """The measured shift, the recipe chosen from it and the number of images, and why."""

    shift: Shift
    recipe: str
    reason: str


@dataclass(frozen=True)
class Guess:
    """What file names or tags suggest: what to type after --group-by, and how many groups of how many images result.

    `images` counts those that share a group with another; `example` is one of their names, "" for tags.
    """

    expression: str
    groups: int
    images: int
    example: str
    across_parts: int = 0
    """How many of the groups stand in more than one part, where a split is looked at."""
    tagged: str = ""
    """What the groups are where a tag within the files tells them, such as "patients"; "" where file names do."""

    @property
    def basis(self) -> str:
        """What the groups are judged by, in words."""
        return self.expression if self.tagged else f"file names ({self.expression})"


@dataclass(frozen=True)
class UnreadableFile:
    """A file that cannot be read, and why."""

    file: str
    error: str


@dataclass(frozen=True)
class SplitGroup:
    """A group, as the user named it, that stands in several parts: its files, and the part of each."""

    files: tuple[str, ...]
    group: str
    splits: tuple[str, ...]


@dataclass(frozen=True)
class Outlier:
    """An image far from all others: how far, in robust standard deviations."""

    file: str
    label: str
    remoteness: float


@dataclass(frozen=True)
class DoubtfulLabel:
    """An image whose label a quick head doubts: the class it suggests, and its probabilities of both."""

    file: str
    label: str
    suggested: str
    confidence: float
    confidence_given: float


REFUSED = "refused"
"""The kind of the finding that a fit ends with an error."""

UNSHOWN = ("advice", "facts", "groups", "findings")
"""Not in the JSON by these names: words for people, and what stands there in other places."""


@dataclass(frozen=True)
class InspectResult:
    """What was found by looking at a data set. Files are absolute paths."""

    images: int
    parts: Mapping[str, int]
    classes: tuple[str, ...]
    class_counts: Mapping[str, int]
    advice: Advice
    facts: tuple[tuple[str, str], ...] = ()
    """Rows of (what, value) of the fingerprint, for people."""
    unreadable: tuple[UnreadableFile, ...] = ()
    duplicates: tuple[Copies, ...] = ()
    groups: tuple[SplitGroup, ...] = ()
    likely_groups: Guess | None = None
    """What file names or tags suggest as groups, for --group-by; None where nothing does, or groups were named."""
    outliers: tuple[Outlier, ...] = ()
    doubts: tuple[DoubtfulLabel, ...] = ()
    agreement: float | None = None
    """The share of labels that the quick head agrees with; None if it could not be trained."""
    shortcuts: tuple[Shortcut, ...] = ()
    findings: tuple[Finding, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What `fit` would leave out, cut or assume."""
    folder: Path | None = None
    fix: Path | None = None
    """The list of images to leave out, for `fit --exclude`; None where there is nothing to list."""
    left_out: int = 0
    """How many images the list `fix` leaves out."""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def refused(self) -> str:
        """What a fit would end with at these images; empty if it would train."""
        return next((finding.title for finding in self.findings if finding.kind == REFUSED), "")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `inspect`."""
        shown = {name: value for name, value in vars(self).items() if name not in UNSHOWN}
        copies = [
            {"files": one.files, "kind": "duplicate", "splits": one.splits} for one in self.duplicates if one.leaks
        ]
        leaks = copies + [{**vars(one), "kind": "group"} for one in self.groups]
        agreement = None if self.agreement is None else round(self.agreement, 4)
        notices = [notice.to_json() for notice in self.notices]
        found = {**shown, **vars(self.advice), "leaks": leaks, "agreement": agreement, "notices": notices}
        found |= {"refused": self.refused} if self.refused else {}
        return to_object(found)

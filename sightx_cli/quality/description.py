"""The findings of an inspection in plain words: what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.checks import Unreadable
from sightx_cli.errors import SightXError, quote
from sightx_cli.quality.analysis import Analysis
from sightx_cli.quality.duplicates import Duplicate
from sightx_cli.results.findings import Finding, Picture
from sightx_cli.results.inspect import REFUSED, Guess, Shortcut
from sightx_cli.task.label_text import name_labels, split_names

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"bytes": "the same file", "pixels": "the same pixels", "near": "the same photograph"}
EXAMPLES = 6
"""Example images per side of a shortcut."""
SURE = 0.8
"""If the quick head agrees with a smaller share of the labels, its doubts are weak, and the finding says so."""
HELD_OUT = {"valid": "validation images also appear in train", "test": "test images also appear in train or valid"}
SIZE_WORDS = {"size": "its size", "aspect": "its shape", "format": "its file format", "mode": "its colour mode"}


class Describer:
    """Describes what was found in one data set as findings: `fit` is the command that trains on it.

    `leave_out` is the list that the inspection writes, of what a fit should not see; `separator` joins the labels of
    an image that has several.
    """

    def __init__(
        self, fit: str, frame: pd.DataFrame, leave_out: Path = Path("leave-out.csv"), separator: str = ""
    ) -> None:
        self._fit = fit
        here = leave_out.is_relative_to(Path.cwd())
        self._leave_out = quote(leave_out.relative_to(Path.cwd()) if here else leave_out)
        self._paths, self._images = frame["path"].tolist(), frame["image"].tolist()
        self._sets = [split_names(label, separator) for label in frame["label"]]
        self._labels, self._splits = list(map(name_labels, frame["label"])), frame["split"].tolist()

    def describe(
        self,
        analysis: Analysis,
        unreadable: Sequence[Unreadable],
        groups: Mapping[str, Sequence[int]],
        likely: Guess | None,
        shortcuts: Sequence[Shortcut],
    ) -> tuple[Finding, ...]:
        """Return the findings, the most serious first."""
        found = [
            self._describe_conflicts(analysis.duplicates),
            self._describe_leaks(analysis.duplicates),
            self._describe_groups(groups),
            self._describe_likely(likely),
            self._describe_copies(analysis.duplicates),
            self._describe_unreadable(unreadable),
            self._describe_shortcuts(shortcuts),
            self._describe_doubts(analysis),
            self._describe_outliers(analysis),
        ]
        return tuple(finding for finding in found if finding is not None)

    def describe_refusal(self, refusal: SightXError) -> Finding:
        """Say that a fit would refuse these images, and why."""
        return Finding(REFUSED, f"a fit refuses these images: {refusal.message}", "", refusal.hint or "")

    def show(self, place: int, remark: str = "") -> Picture:
        """Return the picture of an image."""
        return Picture(self._paths[place], self._images[place], self._labels[place], self._splits[place], remark)

    def _has_conflict(self, duplicate: Duplicate) -> bool:
        return len({self._labels[place] for place in duplicate.places}) > 1

    def _leaks(self, duplicate: Duplicate) -> bool:
        return len({self._splits[place] for place in duplicate.places}) > 1

    def _show_copies(self, duplicates: Iterable[Duplicate]) -> tuple[tuple[Picture, ...], ...]:
        return tuple(tuple(self.show(place, KINDS[one.kind]) for place in one.places) for one in duplicates)

    @property
    def _fix(self) -> str:
        return f"{self._fit} --exclude {self._leave_out}"

    def _describe_conflicts(self, duplicates: Sequence[Duplicate]) -> Finding | None:
        found = [one for one in duplicates if self._has_conflict(one)]
        if not found:
            return None
        one = len(found) == 1
        return Finding(
            "conflicts",
            f"{_count(len(found), 'photograph')} with different labels",
            f"The same photograph appears more than once, and its labels contradict each other. "
            f"{'One of them' if one else 'At least one of each'} is wrong, and SightX cannot tell which.",
            f"Ask an expert and correct the label, or leave all of them out: {self._fix}",
            self._show_copies(found),
        )

    def _describe_leaks(self, duplicates: Sequence[Duplicate]) -> Finding | None:
        found = [one for one in duplicates if self._leaks(one)]
        if not found:
            return None
        return Finding(
            "leaks",
            f"{_count(len(found), 'photograph')} in more than one part of the split",
            "A model recognises images it was trained on, so its figures look better than they will be on new images."
            + self._count_known(found),
            f"Leave out the copies in train: {self._fix}",
            self._show_copies(found),
        )

    def _count_known(self, leaks: Sequence[Duplicate]) -> str:
        """Say how many of the held-out images also appear in train: " 6 of the 352 validation images …"."""
        said = []
        for part in HELD_OUT:
            total = self._splits.count(part)
            known = sum(
                self._splits[place] == part
                for one in leaks
                for place in one.places
                if any(self._splits[other] not in (part, "test") for other in one.places)
            )
            if known:
                count = f"All {total:,}" if known == total else f"{known:,} of the {total:,}"
                said.append(f" {count} {HELD_OUT[part]}.")
        return "".join(said)

    def _describe_groups(self, groups: Mapping[str, Sequence[int]]) -> Finding | None:
        if not groups:
            return None
        rows = [
            tuple(self.show(place, group) for place in self._show_both_sides(places))
            for group, places in groups.items()
        ]
        return Finding(
            "groups",
            f"{_count(len(groups), 'group')} in more than one part of the split",
            "Images of one patient (or part, or batch) resemble each other. With some in train and some in valid, the "
            "figures show how well the model knows these patients, not how well it will do on new ones.",
            f"Split again, keeping groups together: {self._fit} --resplit",
            tuple(rows),
        )

    def _show_both_sides(self, places: Sequence[int]) -> list[int]:
        """Return one image from each part."""
        return list({self._splits[place]: place for place in reversed(places)}.values())[::-1]

    def _describe_likely(self, likely: Guess | None) -> Finding | None:
        if likely is None:
            return None
        option = f"--group-by {quote(likely.expression)}"
        on_both = likely.across_parts
        both = f" {_count(on_both, 'of these groups is', 'of these groups are')} in more than one part." * bool(on_both)
        again = f"{self._fit} {option}" + " --resplit" * bool(on_both)
        named = f"file names suggest {likely.groups:,} groups"
        told = "The files themselves say" if likely.tagged else f"Names such as {likely.example} suggest"
        return Finding(
            "likely-groups",
            (f"{likely.groups:,} {likely.tagged} by {likely.expression}" if likely.tagged else named)
            + (f", {on_both:,} of them in more than one part" if on_both else ""),
            f"{told} which images belong together: {likely.images:,} images share a group with another.{both}",
            f"If these are patients or parts, keep them together: {again}",
            harmful=bool(on_both),
        )

    def _describe_copies(self, duplicates: Sequence[Duplicate]) -> Finding | None:
        found = [one for one in duplicates if not self._has_conflict(one) and not self._leaks(one)]
        if not found:
            return None
        extra = sum(len(one.places) - 1 for one in found)
        return Finding(
            "duplicates",
            _count(len(found), "duplicated photograph"),
            f"{_count(extra, 'extra copy', 'extra copies')}. Copies add nothing to learn from, count double, and"
            " may end up on both sides of a random split.",
            f"Leave out all but one of each: {self._fix}",
            self._show_copies(found),
        )

    def _describe_unreadable(self, unreadable: Sequence[Unreadable]) -> Finding | None:
        if not unreadable:
            return None
        return Finding(
            "unreadable",
            f"{_count(len(unreadable), 'file')} cannot be read",
            "They are damaged, empty or not images. A fit leaves them out and says so.",
            "Copy them again from their source, or remove them.",
            lines=tuple(f"{one.image}: {one.error}" for one in unreadable),
        )

    def _describe_shortcuts(self, shortcuts: Sequence[Shortcut]) -> Finding | None:
        if not shortcuts:
            return None
        rows = []
        for label in dict.fromkeys(one.label for one in shortcuts):
            here = [place for place, given in enumerate(self._sets) if label in given][:EXAMPLES]
            others = [place for place, given in enumerate(self._sets) if label not in given][:EXAMPLES]
            rows.append(tuple(self.show(place) for place in here + others))
        lines = tuple(
            f"{one.label}: {SIZE_WORDS.get(one.what, one.what)} alone identifies it with "
            f"{100 * one.balanced_accuracy:.0f} % balanced accuracy: {one.usual}, others {one.others}"
            for one in shortcuts
        )
        return Finding(
            "shortcuts",
            f"{_count(len(lines), 'way')} to tell a class without looking at what it shows",
            "A model learns the easiest cue. If one class comes from a different machine, it may learn to tell the "
            "machines apart, and fail on images from another.",
            "Use images of each class from the same source, or save all in one size and format, and test on images "
            "from elsewhere.",
            tuple(rows),
            lines,
        )

    def _describe_doubts(self, analysis: Analysis) -> Finding | None:
        if not analysis.doubts:
            return None
        share = analysis.agreement or 0.0
        weak = (
            f" It agrees with only {100 * share:.0f} % of the labels, so these classes are hard to tell apart "
            "for it, and many of its doubts will be its own mistakes."
            if share < SURE
            else f" It agrees with {100 * share:.0f} % of the labels."
        )
        rows = tuple(
            (self.show(one.place, f"{name_labels(one.suggested)}? {100 * one.confidence:.0f} %"),)
            for one in analysis.doubts
        )
        return Finding(
            "doubts",
            f"{_count(len(rows), 'label')} to look at",
            "A quick model trained on the other images would give them another label, with the probability shown."
            + weak,
            "Start with the first, which are the most doubtful, and correct those that are wrong. The list of "
            "images to leave out names them, and leaves none of them out.",
            rows,
            harmful=False,
        )

    def _describe_outliers(self, analysis: Analysis) -> Finding | None:
        if not analysis.outliers:
            return None
        rows = tuple((self.show(place, f"far: {remoteness:.1f} σ"),) for place, remoteness in analysis.outliers)
        return Finding(
            "outliers",
            f"{_count(len(rows), 'image')} unlike all others",
            "They are far from every other image: perhaps a photograph among scans, a blank page, a wrong file.",
            "Look at them, and remove what does not belong: the list of images to leave out names them, and leaves "
            "none of them out.",
            rows,
            harmful=False,
        )


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"

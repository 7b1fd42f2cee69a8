"""Counts what lies among the images and is passed over, and says it: one line for each kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sightx_cli.progress import Notice

SHOWN = 4
"""The most endings that one line names."""

_BY_ENDING = {
    "told": (
        "told-by-content",
        "used {count} {files} without a known ending that {are} {images} by the first bytes: {list}",
        False,
    ),
    "other": (
        "other-files",
        "left out {count} {files} that cannot be read as images: {list}. Convert them to PNG, TIFF or JPEG if they are",
        True,
    ),
    "assumed": (
        "unopened",
        "did not open {count} more {files} of unknown endings, taken for what the first of each ending are: {list}",
        False,
    ),
    "none": ("no-images", "passed over {count} {files} that {are} no {plain}: {list}", False),
}
_BY_EXAMPLE = {
    "hidden": ("hidden", "passed over {count} hidden {files} or folders, such as {example}", False),
    "misnamed": (
        "misnamed-files",
        "left out {count} {files} or folders whose names are not valid UTF-8 (rename them)",
        True,
    ),
    "broken": (
        "broken-links",
        "left out {count} {links} that {lead} nowhere, such as {example}",
        True,
    ),
    "made": (
        "own-folders",
        "passed over {count} {files} or folders that SightX has made, such as {example}",
        False,
    ),
    "again": ("links", "passed over {count} {links} to folders that are read already, such as {example}", False),
}


@dataclass
class Tally:
    """How many files or folders of each kind there are, by their endings, with the name of the first of each."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, kind: str, ending: str, name: str, count: int = 1) -> None:
        """Count: told, assumed, other or none (files); hidden, misnamed, broken, again or made (these and folders)."""
        self.counts[kind, ending] += count
        self.examples.setdefault((kind, ending), name)

    def has(self, kind: str) -> bool:
        """Whether anything of a kind was counted."""
        return any(counted == kind for counted, _ in self.counts)

    def merge(self, other: Tally) -> None:
        """Count what another has counted."""
        self.counts.update(other.counts)
        for key, name in other.examples.items():
            self.examples.setdefault(key, name)

    def list_notices(self) -> tuple[Notice, ...]:
        """Say what was found, what most needs to be known first."""
        notices = []
        for kind in ("other", "misnamed", "broken", "told", "assumed", "made", "again", "hidden", "none"):
            found = {key: count for key, count in self.counts.items() if key[0] == kind}
            count = sum(found.values())
            if not count:
                continue
            name, words, warns = (_BY_ENDING | _BY_EXAMPLE)[kind]
            one = count == 1
            text = words.format(
                count=f"{count:,}",
                files="file" if one else "files",
                links="link" if one else "links",
                lead="leads" if one else "lead",
                are="is" if one else "are",
                plain="image" if one else "images",
                images="an image" if one else "images",
                list=self._list_endings(found),
                example=self.examples[next(iter(found))],
            )
            notices.append(Notice(name, text, count, warns))
        return tuple(notices)

    def _list_endings(self, found: dict[tuple[str, str], int]) -> str:
        ranked = sorted(found, key=lambda key: -found[key])
        shown = [
            f"{found[key]:,} {key[1] or 'without ending'}"
            + (f" ({self.examples[key]})" if key[0] in ("told", "other") else "")
            for key in ranked[:SHOWN]
        ]
        rest = sum(found[key] for key in ranked[SHOWN:])
        return ", ".join(shown + ([f"{rest:,} others"] if rest else []))

"""What of shards could not be used, counted and named: one line for each kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

_WORDS = {
    "unread": ("left out {count} that cannot be read: {example}", "shard", True),
    "empty": ("{count} without an image: {example}", "shard", True),
    "cut": ("left out what is cut off at the end of a shard: {example}; copy it again", "", True),
    "damaged": ("what follows damage within a shard is left out: {example}; copy it again", "", True),
    "unmarked": (
        "{count} without a tar's mark of the end: {example} may be cut off; if so, copy it again",
        "shard",
        True,
    ),
    "behind": (
        "what follows the mark of the end is left out: {example}; joined tars are read one by one, not as one file",
        "",
        True,
    ),
    "unsafe": (
        "left out {count} that {are} a link, a device, or named outside the shard, such as {example}",
        "entry",
        True,
    ),
    "misnamed": ("left out {count} whose name is not valid UTF-8, in {example}", "entry", True),
    "no-image": ("left out {count} without an image, such as {example}", "key", True),
    "two-images": (
        "{count} with more than one image: the first is read, such as {example}; --image-column png reads another",
        "key",
        True,
    ),
    "same-key": ("left out {count} of a key that is there before, such as {example}", "entry", True),
    "no-label": ("left out {count} without a label, such as {example}", "image", True),
    "bad-field": ("{count} that cannot be read as text or JSON, such as {example}", "field", True),
    "other-fields": ("passed over {count} that {are} neither image nor label, such as {example}", "field", False),
    "hidden": ("passed over {count}, such as {example}", "hidden entry", False),
}


class ShardError(DataError):
    """One shard cannot be read; `reason` goes on from the file's name. `{path}` in a hint stands for it, quoted."""

    def __init__(self, path: Path, reason: str, hint: str = "") -> None:
        super().__init__(f"{path} {reason}", hint.replace("{path}", quote(path)))
        self.reason = reason


@dataclass
class ShardFaults:
    """How often each fault was met, and the first of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Count a fault, one of the kinds above."""
        self.counts[kind] += count
        self.examples.setdefault(kind, example)

    def merge(self, other: ShardFaults) -> None:
        """Count what another has counted."""
        self.counts.update(other.counts)
        self.examples = {**other.examples, **self.examples}

    def list_notices(self) -> list[Notice]:
        """Say them, what most needs to be known first."""
        said = []
        for kind, (words, thing, warns) in _WORDS.items():
            if count := self.counts[kind]:
                plural = f"{thing[:-1]}ies" if thing.endswith("y") and thing != "key" else f"{thing}s"
                text = words.format(
                    count=f"{count:,} {thing if count == 1 else plural}",
                    are="is" if count == 1 else "are",
                    example=self.examples[kind],
                )
                said.append(Notice(f"shards-{kind}", text, count, warns))
        return said

"""What a given split has on both sides is counted by part."""

from __future__ import annotations

import pandas as pd

from sightx_cli.quality.leaks import find_leaks
from sightx_cli.results.inspect import Guess


def find(rows: list[tuple[str, str, str]], expression: str | None = None) -> object:
    """Leaks of rows (part, digest, group)."""
    parts, digests, groups = zip(*rows, strict=True)
    guess = Guess(expression, 0, 0, "") if expression else None
    return find_leaks(pd.DataFrame({"split": parts}), digests, groups, guess)


def test_files_and_groups_on_both_sides_are_counted() -> None:
    rows = [("train", "a", "p1"), ("", "b", "p2"), ("valid", "a", "p3"), ("valid", "c", "p2"), ("valid", "d", "p2")]
    leaks = find(rows, r"p\d")
    assert leaks
    assert (leaks.files, leaks.groups) == (1, 1)  # type: ignore[attr-defined]
    assert leaks.describe() == [  # type: ignore[attr-defined]
        r"1 of the 2 groups in valid (2 images) are also in train, judging by file names (p\d)",
        "1 identical file in train and valid",
    ]
    assert leaks.to_json() == {"files": 1, "groups": 1, "allowed": False, "group_by": r"p\d"}  # type: ignore[attr-defined]


def test_a_test_part_is_compared_with_both_others() -> None:
    leaks = find([("train", "a", ""), ("valid", "b", ""), ("test", "a", ""), ("test", "b", ""), ("test", "c", "")])
    assert [(leak.part, leak.other, leak.files) for leak in leaks.parts] == [  # type: ignore[attr-defined]
        ("test", "train", 1),
        ("test", "valid", 1),
    ]


def test_copies_within_a_part_and_images_without_a_group_are_no_leak() -> None:
    assert not find([("train", "a", ""), ("train", "a", ""), ("valid", "b", ""), ("valid", "b", "")])

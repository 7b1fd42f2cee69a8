"""File names that look like patients or parts are noticed; names that only count are not."""

from __future__ import annotations

import pytest

from sightx_cli.data import name_groups
from sightx_cli.data.name_groups import Guess, find_names, guess_groups


def guess(names: list[str]) -> Guess | None:
    """The guess for these names, in two classes by turns."""
    return guess_groups(names, ["ab"[place // 3 % 2] for place in range(len(names))])


X_RAYS = [f"train/pneumonia/person{n}_{kind}_{n * 7 + k}.jpeg" for n in range(20) for k, kind in enumerate(["b", "v"])]
X_RAYS += [f"train\\normal\\{'NORMAL2-' * (n % 2)}IM-{n:04}-0001-000{k}.jpg" for n in range(20) for k in range(2)]


@pytest.mark.parametrize(
    ("names", "expression", "groups"),
    [
        (X_RAYS, r"person\d+|IM-\d+", 40),
        ([f"{n}_{side}.jpeg" for n in range(5) for side in ("left", "right")], "^.+(?=_left|_right)", 5),
        ([f"patient-{n:02}-slice-{k}.png" for n in range(6) for k in range(3)], r"patient-\d+", 6),
        ([f"Subject_{n}-{k}.png" for n in range(6) for k in range(3)], r"Subject_\d+", 6),
        ([f"{n:08}_{k:03}.png" for n in range(9) for k in range(3)], r"^\d+(?=_)", 9),
        ([f"CNV-{n}-{k}.jpeg" for n in range(9) for k in range(3)], r"CNV-\d+", 9),
        ([f"scan{n}_slice_{k}.png" for n in range(9) for k in range(4)], "^.+(?=_slice_)", 9),
        ([f"leaf{n}_jpg.rf.{k}ab{n}.jpg" for n in range(9) for k in range(3)], r"^.+(?=\.rf\.)", 9),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_that_look_like_groups_are_noticed(names: list[str], expression: str, groups: int) -> None:
    found = guess(names)
    assert found is not None
    assert (found.expression, found.groups, found.images) == (expression, groups, len(names))
    assert found.example in {name.replace("\\", "/").rpartition("/")[2] for name in names}


def test_what_is_proposed_gives_the_groups_counted() -> None:
    found = guess(X_RAYS)
    assert found is not None
    named = find_names(found.expression, [name.replace("\\", "/").rpartition("/")[2] for name in X_RAYS])
    assert len(set(named)) == found.groups
    assert "" not in named


@pytest.mark.parametrize(
    "names",
    [
        [f"{n:04}.jpg" for n in range(40)],
        [f"IDRiD_{n:03}.jpg" for n in range(40)],
        [f"{1092977343 + 7 * n}_{n * 9973:010x}.jpg" for n in range(40)],
        [f"20240101_{n:06}.jpg" for n in range(40)],
        [f"crazing_{n}.jpg" for n in range(40)],
        [f"person{n}.jpg" for n in range(40)],
        [f"sample1_{n}.jpg" for n in range(40)],
        [f"patient{'12'[n // 3 % 2]}_{n}.jpg" for n in range(40)],
        ["person1_a.jpg", "person1_b.jpg", *(f"person{n}.jpg" for n in range(2, 40))],
        [],
    ],
    ids=["numbers", "catalogue", "photo site", "date", "class", "alone", "one group", "the class", "few", "none"],
)
def test_names_that_are_no_groups_propose_nothing(names: list[str]) -> None:
    assert guess(names) is None


def test_of_very_many_names_the_kinds_are_found_in_blocks_and_the_groups_in_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"person{place // 4}_{place % 4}.png" for place in range(400)]
    labels = ["a", "b"] * 200
    whole = guess_groups(names, labels)
    monkeypatch.setattr(name_groups, "MOST_NAMES", 100)
    monkeypatch.setattr(name_groups, "BLOCK_NAMES", 20)
    assert whole is not None
    assert guess_groups(names, labels) == whole

"""What an expression over file names made of them is said: how many match, and where most become one group."""

from __future__ import annotations

import pandas as pd

from sightx_cli.data.expression_groups import find_large_group, group_images
from sightx_cli.progress import Notice, Recorder

NAMES = [f"person{n}_{kind}.jpg" for n in range(8) for kind in ("a", "b")] + [f"IM-{n:04}-0001.jpg" for n in range(10)]


def tell(names: list[str], group_by: str | None, flag: str = "--group-by") -> list[Notice]:
    heard = Recorder()
    frame = pd.DataFrame({"image": [f"x/{name}" for name in names], "label": "", "split": "", "group": ""}, dtype=str)
    frame["label"] = ["ab"[place // 3 % 2] for place in range(len(names))]
    group_images(frame.assign(patient="7"), group_by, heard, flag)
    return heard.notices


def test_names_that_an_expression_does_not_match_are_counted_and_warned_of() -> None:
    (said,) = tell(NAMES, r"person\d+")
    assert said.text == (
        r"--group-by 'person\d+': 16 of 26 file names match, in 8 groups; 10 match nothing, such as IM-0000-0001.jpg, "
        "and count each alone"
    )
    assert (said.kind, said.count, said.warns) == ("matched-groups", 10, True)
    (said,) = tell(NAMES[:17], r"person\d+", "--per")
    assert said.text.startswith(
        r"--per 'person\d+': 16 of 17 file names match, in 8 groups; 1 matches nothing, IM-0000"
    )


def test_that_all_names_match_is_a_plain_note() -> None:
    (said,) = tell(NAMES[:16], r"person\d+")
    assert (said.text, said.warns) == (r"--group-by 'person\d+': all 16 file names match, in 8 groups", False)


def test_an_expression_that_makes_one_group_of_most_images_is_warned_of_with_one_that_does_not() -> None:
    matched, one = tell(NAMES, "person")
    assert "16 of 26 file names match, in 1 group; " in matched.text
    assert one.text == (
        "--group-by person: the expression gives the same value, 'person', for 16 of 26 images, which count as one "
        r"group; --group-by 'person\d+' makes 8 groups"
    )
    assert (one.kind, one.count, one.warns) == ("one-group", 16, True)
    _, one = tell([f"site_{n}.png" for n in range(9)], "site")  # no names that make groups: nothing is proposed
    assert one.text.endswith("for 9 of 9 images, which count as one group")


def test_of_a_column_and_without_groups_nothing_is_said() -> None:
    assert tell(NAMES, "patient") == []
    assert tell(NAMES, None) == []


def test_a_large_group_is_more_than_half_and_more_than_a_few() -> None:
    assert find_large_group(pd.DataFrame({"group": ["p"] * 5 + ["q"] * 5}, dtype=str)) is None
    assert find_large_group(pd.DataFrame({"group": ["p"] * 4}, dtype=str)) is None
    assert find_large_group(pd.DataFrame({"group": ["p"] * 6 + [""] * 5}, dtype=str)) == ("p", 6)
    assert find_large_group(pd.DataFrame({"group": [""] * 9}, dtype=str)) is None

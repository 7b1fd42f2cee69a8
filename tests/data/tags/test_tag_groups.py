"""Groups are suggested by the tags of files, the widest first, before the names of files are asked."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sightx_cli.data.readers import Found
from sightx_cli.data.tags.tag_groups import add_tag_columns, describe_suggestion, find_suggestion, list_members


def make_frame(names: Sequence[str] = (), **columns: Sequence[str]) -> pd.DataFrame:
    count = len(next(iter(columns.values()), names))
    images = list(names) or [f"{number}.dcm" for number in range(count)]
    return pd.DataFrame(
        {"image": images, "label": ["a", "b"] * (count // 2), **{n: list(v) for n, v in columns.items()}}
    )


def test_tags_become_columns_and_a_tables_own_stay() -> None:
    found = [Found(tags=(("PatientID", "p1"), ("window", "none"))), Found(), Found(tags=(("ViewPosition", "CC"),))]
    frame = pd.DataFrame({"image": ["1", "2", "3"], "ViewPosition": ["x", "y", "z"]})
    added = add_tag_columns(frame, found)
    assert added["PatientID"].tolist() == ["p1", "", ""]
    assert added["ViewPosition"].tolist() == ["x", "y", "z"]
    assert list(added.columns) == ["image", "ViewPosition", "PatientID"]


def test_without_tags_the_frame_is_the_same() -> None:
    frame = pd.DataFrame({"image": ["1"]})
    assert add_tag_columns(frame, [Found()]) is frame


def test_patients_are_suggested_with_their_counts() -> None:
    frame = make_frame(PatientID=["p1", "p1", "p2", ""], StudyInstanceUID=["s1", "s1", "s2", "s3"])
    guess = find_suggestion(frame)
    assert guess is not None
    assert (guess.expression, guess.groups, guess.images, guess.tagged) == ("PatientID", 2, 2, "patients")
    assert describe_suggestion(guess, 4) == "4 images of 2 patients by PatientID"
    assert list_members(frame, guess) == ["p1", "p1", "p2", ""]


def test_where_all_images_have_one_patient_studies_are_suggested() -> None:
    guess = find_suggestion(make_frame(PatientID=["anon"] * 4, StudyInstanceUID=["s1", "s1", "s2", "s2"]))
    assert guess is not None
    assert (guess.expression, guess.tagged) == ("StudyInstanceUID", "studies")


def test_where_no_two_images_share_one_nothing_is_suggested() -> None:
    assert find_suggestion(make_frame(PatientID=["p1", "p2", "p3", "p4"])) is None


def test_without_tags_the_names_are_asked() -> None:
    names = [f"patient{number // 3}_{number}.png" for number in range(24)]
    guess = find_suggestion(make_frame(names))
    assert guess is not None
    assert not guess.tagged
    assert describe_suggestion(guess, 24).startswith("file names such as patient")
    assert list_members(make_frame(names), guess)[:4] == ["patient0", "patient0", "patient0", "patient1"]

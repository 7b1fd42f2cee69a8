from __future__ import annotations

import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sightx_cli.data.splits import assign_groups, join_groups, join_linked, split_manifest, write_split
from sightx_cli.errors import DataError


def make_frame(labels: list[str], split: object = "", group: object = "") -> pd.DataFrame:
    images = [f"{label}/{place}.png" for place, label in enumerate(labels)]
    return pd.DataFrame({"image": images, "path": images, "label": labels, "split": split, "group": group}, dtype=str)


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(2, 60), min_size=2, max_size=5), seed=st.integers(0, 3), share=st.floats(0.05, 0.9))
def test_every_class_is_divided_by_the_share_and_never_wholly(counts: list[int], seed: int, share: float) -> None:
    frame = make_frame([str(number) for number, count in enumerate(counts) for _ in range(count)])
    divided = split_manifest(frame, seed, share)
    assert set(divided["split"]) == {"train", "valid"}
    for number, count in enumerate(counts):
        valid = int(((divided["label"] == str(number)) & (divided["split"] == "valid")).sum())
        assert 1 <= valid < count
        assert abs(valid - count * share) <= 1


def test_the_same_seed_divides_alike_and_another_otherwise() -> None:
    frame = make_frame(["a"] * 30 + ["b"] * 30)
    first, again, other = (split_manifest(frame, seed)["split"].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_frame_given_is_not_changed() -> None:
    frame = make_frame(["a"] * 5 + ["b"] * 5)
    split_manifest(frame, 0)
    assert set(frame["split"]) == {""}


def test_a_valid_part_that_is_given_is_kept() -> None:
    frame = make_frame(["a", "a", "b", "b", "a", "b"], ["train", "train", "train", "", "valid", "valid"])
    assert split_manifest(frame, 0)["split"].tolist() == ["train"] * 4 + ["valid"] * 2


def test_train_and_test_give_a_valid_part_off_train_and_the_test_part_is_untouched() -> None:
    frame = make_frame(["a", "b"] * 20, ["train"] * 30 + ["test"] * 10)
    divided = split_manifest(frame, 0)
    assert divided["split"].tolist()[30:] == ["test"] * 10
    assert divided["split"].tolist()[:30].count("valid") == 6


@settings(max_examples=30, deadline=None)
@given(patients=st.lists(st.integers(1, 8), min_size=12, max_size=40), seed=st.integers(0, 3))
def test_no_group_stands_on_both_sides(patients: list[int], seed: int) -> None:
    labels = [str(number % 2) for number, images in enumerate(patients) for _ in range(images)]
    groups = [f"p{number}" for number, images in enumerate(patients) for _ in range(images)]
    divided = split_manifest(make_frame(labels, group=groups), seed)
    sides = divided.groupby("group")["split"].nunique()
    assert (sides == 1).all()
    assert set(divided.loc[divided["split"] == "train", "label"]) == {"0", "1"}


def test_a_grouped_valid_part_is_about_a_fifth_and_holds_every_class() -> None:
    generator = np.random.default_rng(0)
    groups = [f"p{place // 4}" for place in range(400)]
    labels = [str(label) for label in np.repeat(generator.integers(0, 3, 100), 4)]
    divided = split_manifest(make_frame(labels, group=groups), 0)
    valid = divided[divided["split"] == "valid"]
    assert 0.17 <= len(valid) / 400 <= 0.23
    assert set(valid["label"]) == {"0", "1", "2"}


def test_images_without_a_group_stand_alone_beside_groups() -> None:
    groups = ["p1"] * 4 + [""] * 36
    divided = split_manifest(make_frame(["a", "b"] * 20, group=groups), 0)
    assert divided["split"][:4].nunique() == 1
    assert 4 <= (divided["split"] == "valid").sum() <= 12


def test_groups_that_cannot_be_divided_are_named() -> None:
    with pytest.raises(DataError, match="belong to one group, 'p1'"):
        split_manifest(make_frame(["a", "a", "b", "b"], group="p1"), 0)
    with pytest.raises(DataError, match="'a', 'b' has all its images in one group"):
        split_manifest(make_frame(["a", "a", "b", "b"], group=["p1", "p1", "p2", "p2"]), 0)


def test_groups_come_from_a_column_before_a_pattern() -> None:
    frame = make_frame(["a", "b"]).assign(patient=["7", "8"])
    assert assign_groups(frame, "patient")["group"].tolist() == ["7", "8"]
    assert assign_groups(frame, None) is frame


def test_groups_come_from_the_first_parenthesis_or_the_whole_match_of_the_file_name() -> None:
    frame = make_frame(["a"] * 3).assign(image=["n/person12_1.png", r"x9\person7_2.png", "person/x.png"])
    assert assign_groups(frame, r"person\d+")["group"].tolist() == ["person12", "person7", ""]
    assert assign_groups(frame, r"person(\d+)")["group"].tolist() == ["12", "7", ""]


def test_blanks_and_the_unicode_form_of_file_names_split_no_group() -> None:
    frame = make_frame(["a"] * 4).assign(image=["Jose\u0301 _1.png", "Jos\u00e9_2.png", "p1_1.png", "p1 _2.png"])
    assert assign_groups(frame, "^[^_]+")["group"].tolist() == ["Jos\u00e9", "Jos\u00e9", "p1", "p1"]
    assert assign_groups(frame, "Jose\u0301")["group"].tolist() == ["Jos\u00e9", "Jos\u00e9", "", ""]


def test_a_pattern_that_matches_nothing_or_cannot_be_read_is_refused() -> None:
    frame = make_frame(["a", "b"]).assign(patient=["7", "8"], digest="1f", is_judged="")
    with pytest.raises(DataError, match=r"matches none of the 2 file names.*columns are patient$"):
        assign_groups(frame, "patiens")
    for typed, hint in (("Patient", "type --by patient"), ("Patient-ID", "type --by patient"), ("x", "'person")):
        with pytest.raises(DataError) as caught:
            assign_groups(frame, typed, "--by")
        assert hint in caught.value.hint
    with pytest.raises(DataError, match="--group-by group: this column is empty, and as an expression it matches none"):
        assign_groups(frame, "group")
    with pytest.raises(DataError, match="--by label: this column is not one to group by"):
        assign_groups(frame, "label", "--by")
    with pytest.raises(DataError, match=r"^--by '': there is no such column"):
        assign_groups(frame, "", "--by")
    with pytest.raises(DataError, match="neither a column nor a regular expression"):
        assign_groups(frame, "(")


def test_the_split_is_written_with_its_six_columns(tmp_path: Path) -> None:
    frame = split_manifest(make_frame(["ä, b", "ä, b", "c", "c"]), 0)
    write_split(frame, tmp_path / "split.csv")
    read = pd.read_csv(tmp_path / "split.csv", dtype=str, keep_default_na=False)
    assert list(read.columns) == ["image", "label", "split", "group", "fold", "digest"]
    assert read["label"].tolist() == frame["label"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import resource, signal, pandas as pd\n"
        "from sightx_cli.data.splits import RunError, write_split\n"
        "frame = pd.DataFrame({c: ['x' * 50] * 9000 for c in ('image', 'label', 'split', 'group')})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"try: write_split(frame, {str(tmp_path / 'split.csv')!r})\n"
        "except RunError as error: print(error.message)\n"
    )
    assert resource.RLIMIT_FSIZE is not None
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.startswith("cannot write"), result.stderr
    assert list(tmp_path.iterdir()) == []


def test_splitting_takes_few_bytes_for_each_image_as_no_object_stands_for_one() -> None:
    images = 100_000
    frame = make_frame(["a", "b", "c", "d"] * (images // 4))
    frame = frame.assign(digest=[f"{place % 5_000:012x}" for place in range(images)])
    split_manifest(frame, 0)  # imports
    tracemalloc.start()
    split = split_manifest(frame, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(split["split"]) == {"train", "valid"}
    # A list of numbers takes 40, and a column of text as objects, which pandas 2 has, 57.
    assert peak / images < (80 if isinstance(frame["label"].dtype, pd.StringDtype) else 160)


# --- images with the same bytes ---


def test_what_belongs_together_is_joined_over_groups_and_bytes() -> None:
    joined = join_groups(["p1", "p2", "", "", "", "p3"], ["a", "a", "a", "b", "b", "c"])
    assert joined == ["p1", "p1", "p1", "identical b", "identical b", "p3"]
    assert join_groups(["", ""], ["a", "b"]) == ["", ""]
    assert join_groups([], []) == []


@given(st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=4), max_size=8))
def test_what_is_linked_through_others_is_joined_as_connected_components_are(links: list[list[int]]) -> None:
    pairs = [(one[0], place) for one in links for place in one[1:]]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    _, expected = connected_components(coo_array((np.ones(len(pairs)), (rows, columns)), shape=(12, 12)))
    joined = join_linked(12, links)
    assert (joined[:, None] == joined).tolist() == (expected[:, None] == expected).tolist()
    assert all(joined[place] == np.flatnonzero(joined == joined[place])[0] for place in range(12))


@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), st.integers(0, 30), st.sampled_from(["", "", "p", "q", "r"])), min_size=40
    ),
    st.integers(0, 5),
)
@settings(max_examples=20, deadline=None)
def test_a_split_made_here_never_has_the_same_bytes_on_both_sides(rows: list[tuple[str, int, str]], seed: int) -> None:
    labels, digests, groups = zip(*rows, strict=True)
    frame = pd.DataFrame({"label": labels, "split": "", "group": groups, "digest": [f"d{n}" for n in digests]})
    try:
        split = split_manifest(frame, seed)
    except DataError:
        return  # the groups leave no split
    for column in ("digest", "group"):
        sides = split[split[column] != ""].groupby(column)["split"].nunique()
        assert (sides == 1).all()
    assert set(split["split"]) <= {"train", "valid"}


def test_a_few_copies_leave_every_class_its_share() -> None:
    digests = [str(n) for n in range(98)] + ["0", "1"]
    frame = pd.DataFrame({"label": ["a"] * 60 + ["b"] * 40, "split": "", "group": "", "digest": digests})
    valid = split_manifest(frame, 0)["split"] == "valid"
    assert abs(valid[:60].sum() - 12) <= 2
    assert abs(valid[60:].sum() - 8) <= 2


# --- several labels for each image ---


def test_each_of_several_labels_is_held_out_in_its_share_and_groups_on_one_side() -> None:
    chance = np.random.default_rng(0)
    labels = (chance.random((200, 3)) < (0.5, 0.2, 0.05)).astype(np.int64)
    frame = pd.DataFrame({"image": [f"{n}.png" for n in range(200)], "label": "", "split": "", "group": ""})
    split = split_manifest(frame, 0, strata=labels)["split"].to_numpy()
    held = labels[split == "valid"].sum(0)
    assert np.abs(held - labels.sum(0) * 0.2).max() <= 1
    grouped = split_manifest(frame.assign(group=[f"p{n // 4}" for n in range(200)]), 0, strata=labels)
    assert grouped.groupby("group")["split"].nunique().max() == 1
    assert set(grouped["split"]) == {"train", "valid"}


def test_copies_of_a_file_with_several_labels_stay_on_one_side() -> None:
    labels = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (10, 1))
    frame = pd.DataFrame({"image": [f"{n}.png" for n in range(40)], "label": "", "split": "", "group": ""})
    split = split_manifest(frame.assign(digest=[str(n // 2) for n in range(40)]), 0, strata=labels)["split"].tolist()
    assert split[::2] == split[1::2]


def test_one_group_alone_cannot_be_divided_however_many_labels() -> None:
    frame = pd.DataFrame({"image": ["a", "b"], "label": "", "split": "", "group": "p1"})
    with pytest.raises(DataError, match="belong to one group, 'p1'"):
        split_manifest(frame, 0, strata=np.eye(2, dtype=np.int64))

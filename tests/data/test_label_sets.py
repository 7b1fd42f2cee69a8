"""Cells that join other cells' labels are several labels; what only contains a mark stays one; all of it is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sightx_cli.data.label_sets import LabelSets, join_class_columns, read_label_sets
from sightx_cli.data.layout import Layout
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError

Write = Callable[..., Path]


def warn(found: LabelSets) -> list[str]:
    return [notice.text for notice in found.notices if notice.warns]


# --- recognised ---


@pytest.mark.parametrize(
    ("cells", "joined"),
    [
        (["a", "b", "a;b"], ["a", "b", "a;b"]),
        (["a", "b", "b|a"], ["a", "b", "a;b"]),
        (["a", "b", " b ; a "], ["a", "b", "a;b"]),
        (["a", "b", "a;b;", ""], ["a", "b", "a;b", ""]),
        (["a", "b", "a;b;a"], ["a", "b", "a;b"]),
        (["2", "10", "10;2", "2|10"], ["2", "10", "2;10", "2;10"]),
        (["a;b", "b;c", "a;c"], ["a;b", "b;c", "a;c"]),  # no label alone
        (["a", "b", "a;b", "b;c"], ["a", "b", "a;b", "b;c"]),  # c occurs beside others only
        (["a", "b", "c", "a;b|c"], ["a", "b", "c", "a;b;c"]),
    ],
)
def test_cells_made_of_other_cells_labels_are_several(cells: Sequence[str], joined: Sequence[str]) -> None:
    found = read_label_sets(cells)
    assert list(found.cells) == joined
    assert found.separator == ";"
    assert not warn(found)
    assert found.notices[0].kind == "multi-label"
    assert "--no-multi-label" in found.notices[0].text
    assert found.notices[0].count == sum(";" in cell for cell in joined)


def test_the_labels_are_read_in_one_spelling() -> None:
    found = read_label_sets(["Dent", "dent", "dent", "scratch", "Scratch;DENT", "scratch"])
    assert list(found.cells) == ["dent", "dent", "dent", "scratch", "dent;scratch", "scratch"]
    assert "'Dent'" in " ".join(warn(found))


def test_those_without_a_label_are_counted() -> None:
    assert "and 2 none" in read_label_sets(["a", "b", "a;b", "", ""]).notices[0].text


def test_a_label_that_every_image_has_is_warned_of() -> None:
    assert warn(read_label_sets(["cell;a", "cell;b", "cell;a;b"])) == [
        "every image has the label cell: it tells nothing apart, and cannot be learned"
    ]


# --- not recognised ---


@pytest.mark.parametrize(
    ("cells", "warns"),
    [
        (["tumour; large", "normal"], False),
        (["tumour; large", "tumour; small", "normal"], True),
        (["carcinoma; NOS", "carcinoma; ductal", "adenoma; NOS"], True),
        (["a|b", "c", "d"], False),
        (["opacity", "opacity|effusion"], True),  # effusion is no label elsewhere
        ([";", "a", "b"], False),
    ],
)
def test_a_label_that_merely_contains_a_mark_stays_one_and_is_named(cells: Sequence[str], warns: bool) -> None:
    found = read_label_sets(cells)
    assert list(found.cells) == list(cells)
    assert found.separator == ""
    marked = [cell for cell in cells if len(cell.strip(";| ")) > 1 and (";" in cell or "|" in cell)]
    assert len(found.notices) == bool(marked)
    if marked:
        assert repr(marked[0]) in found.notices[0].text
        assert "--multi-label" in found.notices[0].text
        assert bool(warn(found)) is warns


def test_in_a_column_of_several_labels_a_name_with_a_mark_stays_whole() -> None:
    found = read_label_sets(["a", "b", "a|b", "hot; dog", "hot; dog"])
    assert list(found.cells) == ["a", "b", "a|b", "hot; dog", "hot; dog"]
    assert found.separator == "|"
    assert any("'hot; dog'" in notice.text for notice in found.notices[1:])


def test_names_that_contain_both_marks_are_refused() -> None:
    with pytest.raises(DataError, match=r"'x; y' and 'v\|w'"):
        read_label_sets(["a", "b", "a;b", "x; y", "v|w"])


def test_one_label_each_says_nothing() -> None:
    assert read_label_sets(["a", "b"]) == LabelSets(("a", "b"))


def test_a_comma_between_other_labels_is_warned_of_and_splits_where_asked() -> None:
    cells = ["a", "b", "a,b", "Smith, John"]
    found = read_label_sets(cells)
    assert list(found.cells) == cells
    assert ["'a,b'" in text and "--multi-label" in text for text in warn(found)] == [True]
    assert list(read_label_sets(["a", "b", "a, b"], True).cells) == ["a", "b", "a;b"]
    assert len(warn(read_label_sets(["animal", "animal,pet", "road,vehicle", "animal,road", "vehicle"]))) == 1
    assert warn(read_label_sets(["carcinoma, ductal", "carcinoma, lobular", "none"])) == []


# --- asked ---


def test_the_user_has_the_last_word() -> None:
    cells = ["a", "b", "a;b", "tumour; large"]
    assert read_label_sets(cells, False) == LabelSets(tuple(cells))
    asked = read_label_sets(cells, True)
    assert list(asked.cells) == ["a", "b", "a;b", "large;tumour"]
    assert asked.notices[0].text.startswith("--multi-label: 2 of 4 images have several labels")


def test_a_comma_is_part_of_a_name_where_another_mark_splits() -> None:
    assert list(read_label_sets(["a, left;b", "b"], True).cells) == ["a, left;b", "b"]


# --- one column for each class ---


def test_columns_of_classes_with_none_or_several_are_joined() -> None:
    found = join_class_columns([{"b", "a"}, set(), {"a"}])
    assert found.cells == ("a;b", "", "a")
    assert "1 of 3 images have several labels, such as a;b, and 1 none" in found.notices[0].text
    with pytest.raises(DataError, match="2 rows have none or several of the class columns; row 1 has a and b"):
        join_class_columns([{"b", "a"}, set(), {"a"}], False)


# --- from files ---


@pytest.fixture
def write_table(tmp_path: Path, write_photo: Callable[..., Path]) -> Write:
    """Writes a table of photographs with these lines after `image`; "" leaves the cell empty."""

    def write(header: str, *lines: str) -> Path:
        for number in range(len(lines)):
            write_photo(tmp_path / f"{number}.jpg", seed=number)
        rows = [f"{number}.jpg,{line}" for number, line in enumerate(lines)]
        (tmp_path / "labels.csv").write_text("\n".join([f"image,{header}", *rows]))
        return tmp_path / "labels.csv"

    return write


def test_a_table_of_several_labels_has_classes_of_single_ones_and_may_have_empty_cells(write_table: Write) -> None:
    manifest = load_manifest(write_table("label", "dent", "scratch", "scratch;dent", ""))
    assert manifest.classes == ("dent", "scratch")
    assert manifest.frame["label"].tolist() == ["dent", "scratch", "dent;scratch", ""]
    assert manifest.separator == ";"


def test_an_empty_cell_among_single_labels_is_still_a_forgotten_one(write_table: Write) -> None:
    table = write_table("label", "dent", "scratch", "")
    with pytest.raises(DataError, match="1 row has no label") as caught:
        load_manifest(table)
    assert "--multi-label" in caught.value.hint
    manifest = load_manifest(table, Layout(multi_label=True))
    assert manifest.frame["label"].tolist() == ["dent", "scratch", ""]


def test_one_column_for_each_class_may_say_none_or_several(write_table: Write) -> None:
    manifest = load_manifest(write_table("dent,scratch", "1,0", "0,1", "1,1", "0,0"))
    assert manifest.frame["label"].tolist() == ["dent", "scratch", "dent;scratch", ""]
    assert manifest.separator == ";"


def test_columns_with_one_class_each_are_single_labels_unless_asked(write_table: Write) -> None:
    table = write_table("dent,scratch", "1,0", "0,1", "1,0")
    assert load_manifest(table).separator == ""
    assert load_manifest(table, Layout(multi_label=True)).separator == ";"


def test_folders_named_by_several_labels_are_read_alike(photo_folder: Callable[..., Path]) -> None:
    manifest = load_manifest(photo_folder(["dent", "scratch", "dent;scratch"], 2))
    assert manifest.classes == ("dent", "scratch")
    assert manifest.separator == ";"


def test_rows_that_name_the_same_labels_in_another_order_do_not_contradict(write_table: Write) -> None:
    table = write_table("label", "dent", "scratch", "scratch;dent")
    table.write_text(table.read_text() + "\n2.jpg,dent; scratch\n")
    assert len(load_manifest(table).frame) == 3


def test_a_run_s_split_is_read_as_it_was_written(write_table: Write, tmp_path: Path) -> None:
    from sightx_cli.data.splits import write_split

    manifest = load_manifest(write_table("label", "dent", "scratch", "scratch|dent", ""))
    write_split(manifest.frame, tmp_path / "split.csv")
    again = load_manifest(tmp_path / "split.csv")
    assert again.frame["label"].tolist() == manifest.frame["label"].tolist()
    assert again.separator == manifest.separator

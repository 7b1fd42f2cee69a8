"""What is to be predicted: one row for each row of a table, each file of a folder once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data.layout import Layout
from sightx_cli.data.queries import build_query
from sightx_cli.errors import DataError, UsageError

Make = Callable[..., Path]


@pytest.fixture
def root(photo_folder: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with img/0.jpg … img/2.jpg."""
    root = photo_folder(["img"], 3)
    monkeypatch.chdir(root)
    return root


def test_a_table_gives_every_row_in_its_order_with_its_own_cells(root: Path) -> None:
    Path("t.csv").write_text("id,image,label\n1,img/1.jpg,x\n2,img/0.jpg,y\n3,img/1.jpg,NA\n4,,z\n5,img/2.jpg ,007\n")
    query = build_query(["t.csv"])
    assert query.columns == ("id", "image", "label")
    assert [row.image for row in query.rows] == ["img/1.jpg", "img/0.jpg", "img/1.jpg", "", "img/2.jpg "]
    paths = [Path(row.path).name for row in query.rows]
    assert paths == ["1.jpg", "0.jpg", "1.jpg", "", "2.jpg"]
    assert query.rows[4].cells == ("5", "img/2.jpg ", "007")
    assert query.count_files() == 3
    assert query.notices == ()


def test_a_row_without_any_value_is_a_row_too(root: Path) -> None:
    Path("t.csv").write_text("id,image\n1,img/1.jpg\n,\n3,img/2.jpg\n")
    assert [row.path != "" for row in build_query(["t.csv"]).rows] == [True, False, True]


def test_sources_follow_each_other_and_columns_are_the_union(root: Path) -> None:
    Path("one.csv").write_text("id,image\n1,img/1.jpg\n2,img/0.jpg\n")
    Path("two.tsv").write_text("File name\tage\n0\t71\n1\t72\n")
    query = build_query(["one.csv", "img/2.jpg", "two.tsv"])
    assert query.columns == ("id", "image", "File name", "age")
    assert [row.image for row in query.rows] == ["img/1.jpg", "img/0.jpg", "img/2.jpg", "0", "1"]
    assert query.rows[0].cells == ("1", "img/1.jpg", "", "")
    assert query.rows[2].cells == ("", "", "", "")
    assert query.rows[4].cells == ("", "", "1", "72")
    assert [one.kind for one in query.notices] == ["columns", "completed-names"]


def test_a_file_of_a_folder_is_listed_once_and_not_after_a_table_that_names_it(root: Path) -> None:
    Path("t.csv").write_text("image\nimg/1.jpg\nimg/1.jpg\n")
    assert [row.image for row in build_query(["img", "img/0.jpg", "img"]).rows] == [f"img/{n}.jpg" for n in range(3)]
    assert [row.image for row in build_query(["t.csv", "img"]).rows] == ["img/1.jpg"] * 2 + ["img/0.jpg", "img/2.jpg"]
    assert len(build_query(["img", "t.csv"]).rows) == 5


def test_a_column_image_that_is_another_than_the_images_is_kept_beside_it(root: Path) -> None:
    Path("t.csv").write_text("image,file\nleft eye,img/1.jpg\n")
    query = build_query(["t.csv"], Layout(image_column="file"))
    assert query.columns == ("image_given", "file")
    assert query.rows[0].cells == ("left eye", "img/1.jpg")


def test_the_image_in_another_case_is_called_image(root: Path) -> None:
    Path("t.csv").write_text("ID,Image\n1,img/1.jpg\n")
    assert build_query(["t.csv"]).columns == ("ID", "image")


def test_missing_files_are_counted_and_keep_their_rows(root: Path) -> None:
    Path("t.csv").write_text("image\nimg/1.jpg\nimg/7.jpg\n")
    query = build_query(["t.csv"])
    assert len(query.rows) == 2
    assert [(one.kind, one.count, one.warns) for one in query.notices] == [("missing-files", 1, True)]


def test_tables_are_read_as_for_a_fit(root: Path) -> None:
    text = 'sep=;\nimage;alter\nC:\\Daten\\img\\0.jpg ;"71"\nimg\\1.jpg;é\n2.JPG;\n'
    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        Path("t.csv").write_bytes(text.encode(encoding))
        query = build_query(["t.csv"])
        assert [row.path for row in query.rows] == [str(root / "img" / f"{number}.jpg") for number in range(3)]
        assert [row.cells[1] for row in query.rows] == ["71", "é", ""]


def test_names_are_looked_up_in_the_folder_given(root: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image\n0\n1\n")
    query = build_query([tmp_path / "t.csv"], Layout(images=Path("img")))
    assert [row.path for row in query.rows] == [str(root / "img" / f"{number}.jpg") for number in range(2)]


def test_options_of_tables_are_refused_without_one(root: Path) -> None:
    for layout in (Layout(images=Path("img")), Layout(image_column="x")):
        with pytest.raises(UsageError, match="is for a table"):
            build_query(["img"], layout)


def test_a_folder_without_images_says_what_it_has(root: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match="contains no images"):
        build_query(["empty"])

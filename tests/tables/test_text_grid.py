"""A table of text is read in any usual encoding and separator, and what had to be guessed is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.data.tables import Table, read_table
from sightx_cli.errors import DataError

TEXT = "image,label\na.png,café\nb.png,naïve\n"


def read(folder: Path, content: bytes | str, name: str = "t.csv") -> Table:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(folder / name)


def list_rows(table: Table) -> list[list[str]]:
    return [list(table.frame.columns), *table.frame.to_numpy().tolist()]


ROWS = [["image", "label"], ["a.png", "café"], ["b.png", "naïve"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_that_says_its_encoding_is_read_without_a_word(tmp_path: Path, encoding: str) -> None:
    table = read(tmp_path, TEXT.encode(encoding))
    assert list_rows(table) == ROWS
    assert table.notices == ()


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("cp1252", "Windows-1252"), ("latin-1", "Windows-1252")],
)
def test_an_encoding_that_is_guessed_is_said(tmp_path: Path, encoding: str, said: str) -> None:
    table = read(tmp_path, TEXT.encode(encoding))
    assert list_rows(table) == ROWS
    assert [(one.kind, said in one.text) for one in table.notices] == [("encoding", True)]


def test_utf_16_of_letters_beyond_latin_is_read(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label\na.png,лёгкие\nb.png,肺\n".encode("utf-16-le"))
    assert table.frame["label"].tolist() == ["лёгкие", "肺"]


@pytest.mark.parametrize("divider", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["", "sep={}\r\n", '"sep={}"\n', "SEP={}\n"])
def test_any_separator_is_read_whether_or_not_a_line_says_it(tmp_path: Path, divider: str, line: str) -> None:
    table = read(tmp_path, line.format(divider) + TEXT.replace(",", divider))
    assert list_rows(table) == ROWS
    assert table.lines == [2 + bool(line), 3 + bool(line)]


def test_a_line_with_the_separator_counts_more_than_the_header(tmp_path: Path) -> None:
    table = read(tmp_path, "sep=;\nimage,file;label\na,b.png;cat\n")
    assert list_rows(table) == [["image,file", "label"], ["a,b.png", "cat"]]


def test_a_title_above_the_header_is_passed_over_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "Retina study\n\n;;\nFile name;Diagnosis\na.png;0\n")
    assert list_rows(table) == [["File name", "Diagnosis"], ["a.png", "0"]]
    assert table.lines == [5]
    assert [(one.kind, one.count) for one in table.notices] == [("above-header", 1)]
    assert "Retina study" in table.notices[0].text


def test_a_row_that_says_image_is_no_header(tmp_path: Path) -> None:
    table = read(tmp_path, "foto,kind\na.png,image\n")
    assert list_rows(table) == [["foto", "kind"], ["a.png", "image"]]


def test_a_row_of_separators_is_a_row_and_an_empty_line_is_none(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label\na.png,x\n,\n\nb.png,y\n,\n,\n")
    assert list_rows(table)[1:] == [["a.png", "x"], ["", ""], ["b.png", "y"]]
    assert table.lines == [2, 3, 5]


def test_columns_without_a_name_are_kept_where_they_hold_something(tmp_path: Path) -> None:
    assert list_rows(read(tmp_path, ",image,,\n0,a.png,,\n"))[0] == ["", "image"]
    assert list_rows(read(tmp_path, ",image,,note\n0,a.png,x,y\n"))[0] == ["column 1", "image", "column 3", "note"]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="binary content"):
        read(tmp_path, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff")
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path, b"\xff\xfei\0m\0a")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.tab", "t.xls", "t.xlsx"])
def test_text_is_read_whatever_its_file_is_called(tmp_path: Path, name: str) -> None:
    assert list_rows(read(tmp_path, TEXT.replace(",", "\t"), name)) == ROWS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an old Excel workbook, or one with a password"),
        (b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
    ],
)
def test_other_spreadsheets_are_refused_by_what_they_are(tmp_path: Path, content: bytes, words: str) -> None:
    for name in ("t.csv", "t.xls", "t.ods"):
        with pytest.raises(DataError, match=words) as caught:
            read(tmp_path, content, name)
        assert "xlsx" in caught.value.hint

"""Files named by a URI: read as local ones are, and nothing secret is ever said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data.queries import build_query
from sightx_cli.data.readers import ImageFileError, load_bytes, read_image
from sightx_cli.data.readers.remote_file import describe_refused, find_filesystem, hide_secrets, is_remote
from sightx_cli.errors import DataError, UsageError


def test_a_file_uri_is_read_as_its_path(write_photo: Callable[..., Path], tmp_path: Path) -> None:
    file = write_photo(tmp_path / "a é.png")
    uri = f"file://{str(file).replace(' ', '%20')}"
    assert load_bytes(uri) == file.read_bytes()
    assert read_image(uri).tobytes() == read_image(file).tobytes()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: None, "does not exist"),
        (lambda file: file.mkdir(), "is a folder, not a file"),
        (lambda file: file.write_bytes(b""), "is empty"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match=said):
        load_bytes(f"file://{tmp_path}/a.png")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "no"), "permission denied"),
        (OSError("When getting information for key 'a' in bucket 'b': AWS Error ACCESS_DENIED"), "permission denied"),
        (OSError("AWS Error NETWORK_CONNECTION: curlCode: 6, Couldn't resolve host name"), "the host does not answer"),
        (FileNotFoundError("b/a.png"), "does not exist"),
        (OSError("the key AKIA1234 is odd"), r"cannot be read \(OSError\)"),
    ],
)
def test_a_failure_is_said_in_words_without_those_of_the_library(error: Exception, said: str) -> None:
    import re

    assert re.search(said, describe_refused(error))
    assert "AKIA" not in describe_refused(error)


def test_a_secret_in_an_address_is_not_shown() -> None:
    assert hide_secrets("s3://me:secret@bucket/a.png") == "s3://bucket/a.png"
    assert hide_secrets("https://host/a.png?X-Amz-Signature=secret") == "https://host/a.png"
    with pytest.raises(ImageFileError) as raised:
        load_bytes("nowhere://me:secret@host/a.png?key=secret")
    assert "secret" not in str(raised.value)


def test_an_object_may_have_any_name() -> None:
    assert find_filesystem("gs://bucket/a b/c%20d.png")[1] == "bucket/a b/c%20d.png"
    assert find_filesystem("file:///tmp/a%20b.png")[1] == "/tmp/a b.png"


@pytest.mark.parametrize("name", ["a.png", "C:\\a.png", "/x/a.png", "a:/b.png", "://a.png"])
def test_a_path_is_no_uri(name: str) -> None:
    assert not is_remote(name)


def test_a_folder_at_a_uri_is_listed_with_those_below(write_photo: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("b.png", "more/a.png"):
        write_photo(tmp_path / "new" / name)
    (tmp_path / "new" / "notes.txt").write_text("x")
    query = build_query([f"file://{tmp_path}/new"])
    assert [row.path for row in query.rows] == [f"file://{tmp_path}/new/{name}" for name in ("b.png", "more/a.png")]
    assert [notice.count for notice in query.notices] == [1]
    with pytest.raises(DataError, match="does not exist"):
        build_query([f"file://{tmp_path}/gone"])


def test_a_folder_too_large_to_list_asks_for_a_table(
    write_photo: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_photo(tmp_path / "new" / f"{number}.png")
    monkeypatch.setattr("sightx_cli.data.remote_sources.MOST_LISTED", 2)
    with pytest.raises(UsageError, match="holds more than 2 files") as raised:
        build_query([f"file://{tmp_path}/new"])
    assert "Parquet" in raised.value.hint

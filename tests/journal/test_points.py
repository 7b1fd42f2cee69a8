"""Points of a journal: their files are whole or are not gone on from, and no more of them is kept than is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.filesystem import read_checksum
from sightx_cli.journal.points import Point, remove_others, write_point_file


def write_point(folder: Path, number: int, epochs: int = 3) -> Point:
    """A point with two small files."""
    names = f"epoch-{number}.safetensors", f"best-{number}.safetensors"
    checksums = {name: write_point_file(folder / name, lambda aside: aside.write_bytes(b"1" * 99)) for name in names}
    return Point(number, 0, "head", number, epochs, False, *names, checksums)


def test_a_point_is_what_the_journal_holds_of_it(tmp_path: Path) -> None:
    point = write_point(tmp_path, 1)
    assert Point(**point.to_json()) == point


@pytest.mark.parametrize(("epochs", "words"), [(3, "stage: head, epoch 1 of 3"), (0, "head")])
def test_a_point_says_where_the_training_stood(tmp_path: Path, epochs: int, words: str) -> None:
    assert write_point(tmp_path, 1, epochs).describe() == words


@pytest.mark.parametrize("harm", ["none", "a byte", "cut", "gone"])
@pytest.mark.parametrize("kind", ["epoch", "best"])
def test_a_point_is_whole_only_while_both_its_files_are_what_was_written(tmp_path: Path, kind: str, harm: str) -> None:
    point, file = write_point(tmp_path, 1), tmp_path / f"{kind}-1.safetensors"
    if harm == "a byte":
        file.write_bytes(b"1" * 98 + b"2")
    elif harm == "cut":
        file.write_bytes(b"1" * 98)
    elif harm == "gone":
        file.unlink()
    assert point.is_whole(tmp_path) == (harm == "none")


def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    before = write_point(tmp_path, 1)

    def fail(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_point_file(tmp_path / before.state, fail)
    assert before.is_whole(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_checksum_is_of_the_whole_file(tmp_path: Path) -> None:
    for last in (b"a", b"b"):
        (tmp_path / last.decode()).write_bytes(b"0" * (3 << 20) + last)
    assert read_checksum(tmp_path / "a") != read_checksum(tmp_path / "b")


def test_files_of_other_points_are_removed_and_nothing_else(tmp_path: Path) -> None:
    points = [write_point(tmp_path, number) for number in (1, 2, 3)]
    (tmp_path / "decisions.json").touch()
    remove_others(tmp_path, points[1:])
    assert [point.is_whole(tmp_path) for point in points] == [False, True, True]
    assert len(list(tmp_path.iterdir())) == 5

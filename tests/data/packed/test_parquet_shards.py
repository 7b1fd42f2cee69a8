"""Parquet with the bytes of images is read in place, row by row, with the names of its classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data.checks import check_files
from sightx_cli.data.layout import Layout
from sightx_cli.data.queries import build_query
from sightx_cli.data.readers import ImageFileError, load_bytes
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError, SightXError
from sightx_cli.progress import Silent
from tests.data.packed.conftest import draw_image

WriteParquet = Callable[..., Path]
IMAGES = [draw_image(seed) for seed in range(5)]
LABELS = [0, 1, 0, 1, 1]


def test_numbers_of_classes_have_the_names_that_the_file_notes(write_parquet: WriteParquet) -> None:
    manifest = load_manifest(write_parquet("a.parquet", IMAGES, LABELS))
    assert manifest.frame["label"].tolist() == ["cat", "dog", "cat", "dog", "dog"]
    assert manifest.frame["image"].tolist()[:2] == ["a.parquet::0/0.jpg", "a.parquet::1/1.jpg"]
    assert [load_bytes(path) for path in manifest.frame["path"][::-1]] == IMAGES[::-1]


def test_the_name_for_people_leads_to_the_same_bytes(write_parquet: WriteParquet) -> None:
    path = write_parquet("a.parquet", IMAGES, LABELS)
    assert load_bytes(f"{path}::3/3.jpg") == load_bytes(f"{path}::3") == IMAGES[3]
    with pytest.raises(ImageFileError, match="beyond the last row"):
        load_bytes(f"{path}::5")


def test_the_files_of_a_data_set_are_its_parts(write_parquet: WriteParquet) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001", "test-00000-of-00001"):
        write_parquet(f"set/data/{name}.parquet", IMAGES, LABELS)
    root = write_parquet("set/README.parquet", [], []).parent
    (root / "README.parquet").unlink()
    parts = load_manifest(root).frame["split"].value_counts().to_dict()
    assert parts == {"train": 10, "valid": 5, "test": 5}


def test_minus_one_is_no_label(write_parquet: WriteParquet) -> None:
    manifest = load_manifest(write_parquet("a.parquet", IMAGES, [0, 1, -1, None, 1]))
    assert len(manifest.frame) == 3
    assert [notice.count for notice in manifest.notices if notice.kind == "shards-no-label"] == [2]


def test_a_row_without_bytes_is_counted_with_the_unreadable_images(write_parquet: WriteParquet) -> None:
    path = write_parquet("a.parquet", [*IMAGES[:4], None], LABELS)
    checked = check_files(load_manifest(path).frame, Silent())
    assert [(one.image, one.error) for one in checked.unreadable] == [
        ("a.parquet::4/4.jpg", "has no image: the cell is null")
    ]


def test_several_classes_of_one_image_are_several_labels(tmp_path: Path) -> None:
    import json

    import pyarrow as pa
    from pyarrow import parquet

    feature = {"feature": {"names": ["a", "b", "c"], "_type": "ClassLabel"}, "_type": "Sequence"}
    table = pa.table({"image": pa.array(IMAGES), "labels": pa.array([[0], [0, 1], [2], [], [1]])})
    noted = {"huggingface": json.dumps({"info": {"features": {"labels": feature}}})}
    parquet.write_table(table.replace_schema_metadata(noted), tmp_path / "a.parquet")
    manifest = load_manifest(tmp_path / "a.parquet")
    assert (manifest.classes, manifest.separator) == (("a", "b", "c"), ";")
    assert manifest.frame["label"].tolist() == ["a", "a;b", "c", "", "b"]


def test_bytes_come_before_a_column_of_paths_which_is_kept(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"file_name": ["x/1.jpg", "x/2.jpg"], "picture": IMAGES[:2], "label": ["a", "b"]}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    frame = load_manifest(tmp_path / "a.parquet").frame
    assert (frame["file_name"].tolist(), frame["image"].tolist()) == (
        columns["file_name"],
        ["a.parquet::0", "a.parquet::1"],
    )


def test_a_table_of_paths_is_read_as_ever_also_where_text_is_stored_as_bytes(photo_folder: WriteParquet) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    root = photo_folder(images=1)
    parquet.write_table(pa.table({"image": [b"cat/0.jpg", b"dog/0.jpg"], "label": ["a", "b"]}), root / "t.parquet")
    manifest = load_manifest(root / "t.parquet")
    assert (manifest.kind, manifest.frame["path"].iloc[0]) == ("table", str(root / "cat/0.jpg"))


def test_images_as_lists_of_numbers_are_refused_with_what_to_do(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"image": [[[1, 2], [3, 4]]] * 2, "label": [0, 1]}), tmp_path / "a.parquet")
    with pytest.raises(SightXError, match="lists of numbers") as caught:
        load_manifest(tmp_path / "a.parquet")
    assert "PNG" in caught.value.hint


def test_encrypted_parquet_is_refused_in_these_words(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PARE" + bytes(200) + b"PARE")
    with pytest.raises(SightXError, match="is encrypted Parquet"):
        load_manifest(tmp_path / "a.parquet")


def test_of_two_columns_of_images_one_must_be_named(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(
        pa.table({"left": IMAGES[:2], "right": IMAGES[2:4], "label": ["a", "b"]}), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="2 columns of images: left, right"):
        load_manifest(tmp_path / "a.parquet")
    frame = load_manifest(tmp_path / "a.parquet", Layout(image_column="right")).frame
    assert load_bytes(frame["path"].iloc[0]) == IMAGES[2]


def test_tar_and_parquet_side_by_side_must_be_told_apart(write_parquet: WriteParquet, write_tar: WriteParquet) -> None:
    folder = write_parquet("set/a.parquet", IMAGES, LABELS).parent
    write_tar("set/a.tar", {"k": {"jpg": IMAGES[0], "cls": 0}})
    with pytest.raises(DataError, match="1 tar and 1 Parquet"):
        load_manifest(folder)


def test_predict_keeps_the_columns_of_the_file(write_parquet: WriteParquet) -> None:
    query = build_query([write_parquet("a.parquet", IMAGES, LABELS, patient=list("ppqqr"))])
    assert query.columns == ("image", "label", "patient")
    assert query.rows[4].cells[1:] == ("dog", "r")


def test_folders_of_a_file_s_name_are_left_aside(write_parquet: WriteParquet) -> None:
    path = write_parquet("a.parquet", IMAGES[:2], [0, 1], paths=["x/1.jpg", None])
    assert load_manifest(path).frame["image"].tolist() == ["a.parquet::0/1.jpg", "a.parquet::1"]


def test_damaged_parquet_beside_sound_is_counted_and_named(write_parquet: WriteParquet) -> None:
    folder = write_parquet("set/a.parquet", IMAGES, LABELS).parent
    (folder / "b.parquet").write_bytes(b"PAR1 and nothing more")
    manifest = load_manifest(folder)
    assert len(manifest.frame) == 5
    assert [notice.count for notice in manifest.notices if notice.kind == "shards-unread"] == [1]


def test_a_file_without_rows_beside_others_is_said_and_alone_refused(write_parquet: WriteParquet) -> None:
    folder = write_parquet("set/a.parquet", IMAGES, LABELS).parent
    empty = write_parquet("set/b.parquet", [], [])
    assert [notice.count for notice in load_manifest(folder).notices if notice.kind == "shards-empty"] == [1]
    with pytest.raises(DataError, match=r"b\.parquet"):
        load_manifest(empty)


def test_row_groups_beyond_the_budget_are_read_again_and_right(write_parquet: WriteParquet) -> None:
    from sightx_cli.data.packed.parquet_rows import FileState, RowGroups

    path = write_parquet("a.parquet", IMAGES, LABELS)
    state = FileState(str(path), path.stat().st_size, path.stat().st_mtime_ns)
    groups = RowGroups(budget_bytes=1, most_bytes=1)
    for group in (0, 2, 1, 0):
        assert groups.find(state, group, "image.bytes")[0].as_py() == IMAGES[2 * group]


def test_reading_in_order_holds_a_group_or_two_and_reading_in_any_order_as_many_as_help(
    write_parquet: WriteParquet,
) -> None:
    from sightx_cli.data.packed.parquet_rows import FileState, RowGroups

    path = write_parquet("a.parquet", IMAGES, LABELS)  # three groups, of two rows each and of one
    state = FileState(str(path), path.stat().st_size, path.stat().st_mtime_ns)
    sizes = [RowGroups(1, 1).find(state, group, "image.bytes").nbytes for group in range(3)]
    groups = RowGroups(budget_bytes=sizes[0], most_bytes=sum(sizes))
    for group in (0, 0, 1, 1, 2):
        groups.find(state, group, "image.bytes")
    assert groups.held_bytes == sizes[2]
    for group in (0, 1, 2, 0, 1, 2):
        groups.find(state, group, "image.bytes")
    assert groups.held_bytes == sum(sizes)


def test_what_helps_beyond_the_most_that_may_be_held_is_not_held(write_parquet: WriteParquet) -> None:
    from sightx_cli.data.packed.parquet_rows import FileState, RowGroups

    path = write_parquet("a.parquet", IMAGES, LABELS)
    state = FileState(str(path), path.stat().st_size, path.stat().st_mtime_ns)
    sizes = [RowGroups(1, 1).find(state, group, "image.bytes").nbytes for group in range(3)]
    groups = RowGroups(budget_bytes=1, most_bytes=sum(sizes) - 1)
    for group in (0, 1, 2) * 5:
        groups.find(state, group, "image.bytes")
    assert groups.held_bytes < sum(sizes)


def test_a_file_written_anew_is_not_taken_for_the_one_before(write_parquet: WriteParquet) -> None:
    path = write_parquet("a.parquet", IMAGES, LABELS)
    assert load_bytes(f"{path}::0") == IMAGES[0]
    write_parquet("a.parquet", IMAGES[1:], LABELS[1:])
    assert load_bytes(f"{path}::0") == IMAGES[1]

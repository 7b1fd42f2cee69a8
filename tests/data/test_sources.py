from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sightx_cli.data.checks import check_files
from sightx_cli.data.manifest import are_numbered
from sightx_cli.data.queries import build_query
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.splits import assign_groups
from sightx_cli.data.text_columns import count_texts
from sightx_cli.errors import DataError, UsageError
from sightx_cli.progress import Silent
from sightx_cli.recipe.decision import count_images

Make = Callable[..., Path]


def write_table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_folder_of_classes_gives_its_labels_and_no_split(photo_folder: Make) -> None:
    root = photo_folder(["cat", "dog"], 2)
    manifest = load_manifest(root)
    assert manifest.kind == "folder"
    assert manifest.classes == ("cat", "dog")
    assert list(manifest.frame["image"]) == ["cat/0.jpg", "cat/1.jpg", "dog/0.jpg", "dog/1.jpg"]
    assert list(manifest.frame["label"]) == ["cat", "cat", "dog", "dog"]
    assert list(manifest.frame["path"]) == [str(root / image) for image in manifest.frame["image"]]
    assert set(manifest.frame["split"]) == set(manifest.frame["group"]) == {""}
    assert manifest.notes == ()


@pytest.mark.parametrize("name", ["valid", "val", "validation", "VAL"])
def test_train_and_valid_folders_are_a_split(photo_folder: Make, name: str) -> None:
    photo_folder(under="data/train")
    root = photo_folder(images=2, under=f"data/{name}").parent
    manifest = load_manifest(root)
    assert manifest.kind == "split-folders"
    assert manifest.frame["split"].value_counts().to_dict() == {"train": 6, "valid": 4}
    assert (manifest.has_valid, manifest.has_test) == (True, False)
    assert manifest.classes == ("cat", "dog")


def test_train_alone_is_no_split(photo_folder: Make) -> None:
    root = photo_folder(under="data/train").parent
    (root / "notes").mkdir()
    manifest = load_manifest(root)
    assert manifest.kind == "folder"
    assert set(manifest.frame["split"]) == {""}
    assert manifest.classes == ("cat", "dog")
    assert manifest.frame["image"][0] == "train/cat/0.jpg"


def test_train_and_test_leave_the_valid_part_to_be_made(photo_folder: Make) -> None:
    photo_folder(under="data/train")
    manifest = load_manifest(photo_folder(under="data/test").parent)
    assert (manifest.has_valid, manifest.has_test) == (False, True)


def test_a_class_may_be_called_train(photo_folder: Make) -> None:
    assert load_manifest(photo_folder(["bus", "train"])).classes == ("bus", "train")


def test_a_test_folder_without_classes_is_left_out_and_said(photo_folder: Make, write_photo: Make) -> None:
    root = photo_folder(under="data/train").parent
    write_photo(root / "test" / "1.jpg")
    manifest = load_manifest(root)
    assert manifest.classes == ("cat", "dog")
    assert not manifest.has_test
    assert f"passed over test/: 1 image in no class folder. To label it with the model: sightx predict {root}/test" in (
        manifest.notes
    )


def test_parts_without_class_folders_are_refused(write_photo: Make, tmp_path: Path) -> None:
    write_photo(tmp_path / "train" / "a.jpg")
    write_photo(tmp_path / "valid" / "b.jpg")
    with pytest.raises(DataError, match="no class folders"):
        load_manifest(tmp_path)


def test_valid_without_train_is_refused(photo_folder: Make) -> None:
    photo_folder(under="data/test")
    with pytest.raises(DataError, match="no train"):
        load_manifest(photo_folder(under="data/valid").parent)


def test_images_deep_in_a_class_folder_belong_to_the_class(write_photo: Make, tmp_path: Path) -> None:
    write_photo(tmp_path / "sick" / "patient 7" / "día 1" / "scan.PNG")
    write_photo(tmp_path / "健康" / "scan 1.JPeG")
    frame = load_manifest(tmp_path).frame
    assert list(frame["image"]) == ["sick/patient 7/día 1/scan.PNG", "健康/scan 1.JPeG"]
    assert list(frame["label"]) == ["sick", "健康"]


def test_images_and_classes_stand_in_natural_order(write_photo: Make, tmp_path: Path) -> None:
    for name in ("10_b/2.jpg", "10_b/10.jpg", "9_a/1.jpg"):
        write_photo(tmp_path / name)
    manifest = load_manifest(tmp_path)
    assert manifest.classes == ("9_a", "10_b")
    assert list(manifest.frame["image"]) == ["9_a/1.jpg", "10_b/2.jpg", "10_b/10.jpg"]


def test_hidden_files_and_what_archives_leave_behind_are_ignored(photo_folder: Make, write_photo: Make) -> None:
    root = photo_folder(images=1)
    for name in ("cat/.hidden.jpg", "__MACOSX/cat/0.jpg", ".cache/0.jpg", "dog/@eaDir/0.jpg"):
        write_photo(root / name)
    (root / "cat" / "Thumbs.db").write_bytes(b"x")
    assert list(load_manifest(root).frame["image"]) == ["cat/0.jpg", "dog/0.jpg"]


def test_empty_class_folders_loose_images_and_other_formats_are_said(photo_folder: Make, write_photo: Make) -> None:
    root = photo_folder(images=2)
    (root / "empty").mkdir()
    write_photo(root / "loose.jpg")
    (root / "cat" / "scan.nii").write_bytes(b"n+1")
    manifest = load_manifest(root)
    assert manifest.classes == ("cat", "dog")
    said = "\n".join(manifest.notes)
    assert "left out empty/, which contains no images" in said
    assert "1 image directly in photos/" in said
    assert "1 .nii" in said


def test_links_that_loop_are_followed_once(photo_folder: Make) -> None:
    root = photo_folder(images=2)
    (root / "cat" / "loop").symlink_to(root, target_is_directory=True)
    (root / "cat" / "self").symlink_to("self")
    (root / "dog" / "cats").symlink_to(root / "cat", target_is_directory=True)
    assert load_manifest(root).frame["label"].tolist() == ["cat", "cat", "dog", "dog"]


def test_a_linked_folder_outside_is_followed(photo_folder: Make, write_photo: Make, tmp_path: Path) -> None:
    root = photo_folder(images=1)
    write_photo(tmp_path / "elsewhere" / "x.jpg")
    (root / "bird").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert "bird/x.jpg" in set(load_manifest(root).frame["image"])


def test_a_link_to_a_file_that_is_gone_is_listed(photo_folder: Make, tmp_path: Path) -> None:
    root = photo_folder(images=1)
    (root / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert "cat/gone.jpg" in set(load_manifest(root).frame["image"])


@pytest.mark.skipif(os.name != "posix", reason="names are text elsewhere")
def test_a_file_name_that_is_no_text_is_left_out_and_said(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    try:
        Path(os.fsdecode(os.fsencode(root / "cat") + b"/\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    manifest = load_manifest(root)
    assert len(manifest.frame) == 2
    assert "not valid UTF-8" in manifest.notes[0]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_a_folder_that_may_not_be_read_is_an_error_that_names_it(write_photo: Make) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_photo(root / "cat" / "1.jpg")
        locked = root / "cat" / "locked"
        locked.mkdir(mode=0)
        root.chmod(0o755)
        code = (
            "import os\n"
            "from sightx_cli.data.sources import DataError, load_manifest\n"
            "if os.getuid() == 0: os.setuid(65534)\n"
            f"try: load_manifest({name!r})\n"
            "except DataError as error: print(error.message)\n"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == f"the folder {locked} cannot be read: Permission denied", result.stderr


def test_a_missing_path_an_empty_folder_and_a_wrong_file_each_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for name, words in (("gone", "does not exist"), ("empty", "contains no images"), ("notes.txt", "neither a folder")):
        with pytest.raises(DataError, match=words) as caught:
            load_manifest(tmp_path / name)
        assert caught.value.hint


def test_a_folder_with_only_a_table_points_at_the_table(tmp_path: Path) -> None:
    write_table(tmp_path / "labels.csv", "image,label")
    with pytest.raises(DataError) as caught:
        load_manifest(tmp_path)
    assert "labels.csv" in caught.value.hint


def test_grades_in_front_make_an_order() -> None:
    assert are_numbered(["0_no_dr", "1_mild", "2_moderate"])
    assert are_numbered(["0", "1", "2"])
    assert not are_numbered(["ants", "bees"])
    assert not are_numbered(["0_no_dr", "mild"])
    assert not are_numbered(["001.Albatross", "002.Auklet"])
    assert not are_numbered(["1_a", "1_b"])


@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_a_table_gives_labels_as_text_and_paths_relative_to_itself(photo_folder: Make, divider: str) -> None:
    root = photo_folder(images=1)
    rows = [("image", "label", "age"), ("cat/0.jpg", "0", "71"), ("dog/0.jpg", "NA", "")]
    table = root / "labels.csv"
    table.write_text("\ufeff" + "\r\n".join(divider.join(row) for row in rows), encoding="utf-8")
    manifest = load_manifest(table)
    assert manifest.kind == "table"
    assert list(manifest.frame["label"]) == ["0", "NA"]
    assert list(manifest.frame["path"]) == [str(root / "cat/0.jpg"), str(root / "dog/0.jpg")]
    assert list(manifest.frame["age"]) == ["71", ""]


def test_a_parquet_table_with_numbers_gives_text(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    images = ["cat/0.jpg", "dog/0.jpg"]
    pd.DataFrame({"image": images, "label": [0, 1], "group": [7.0, None]}).to_parquet(root / "t.parquet")
    frame = load_manifest(root / "t.parquet").frame
    assert list(frame["label"]) == ["0", "1"]
    assert list(frame["group"]) == ["7", ""]


def test_a_table_takes_windows_separators_and_names_of_parts(photo_folder: Make) -> None:
    root = photo_folder(images=2)
    table = write_table(
        root / "t.csv",
        "Image,Label,Split,Group",
        r"cat\0.jpg,c,Training,p1",
        r"cat\1.jpg,c,VAL,p2",
        "dog/0.jpg,d,test,",
    )
    frame = load_manifest(table).frame
    assert list(frame["split"]) == ["train", "valid", "test"]
    assert list(frame["group"]) == ["p1", "p2", ""]
    assert Path(frame["path"][0]) == root / "cat" / "0.jpg"
    assert frame["image"][0] == r"cat\0.jpg"


def test_missing_files_of_a_table_are_kept_to_be_listed(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    table = write_table(root / "t.csv", "image,label", "cat/0.jpg,cat", "dog/gone.jpg,dog")
    assert len(load_manifest(table).frame) == 2


def test_a_table_of_which_no_file_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the 2 images") as caught:
        load_manifest(write_table(tmp_path / "t.csv", "image,label", "a.jpg,0", "b.jpg,1"))
    assert str(tmp_path) in caught.value.hint


def test_rows_that_stand_twice_are_read_once_and_said(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    manifest = load_manifest(write_table(root / "t.csv", "image,label", *["cat/0.jpg,c"] * 2, "dog/0.jpg,d"))
    assert len(manifest.frame) == 2
    assert "ignored repeated rows of t.csv: 1" in manifest.notes[0]
    assert "differ" not in manifest.notes[0]


def test_of_rows_that_stand_twice_what_differs_is_said(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    rows = ("dog/0.jpg,d,ulm,m", "cat/0.jpg,c,ulm,f", "cat/0.jpg,c,bonn,", "dog/0.jpg,d,ulm,m")
    manifest = load_manifest(write_table(root / "t.csv", "image,label,site,sex", *rows))
    assert manifest.frame["site"].tolist() == ["ulm", "ulm"]
    assert (
        "ignored repeated rows of t.csv: 2, such as that of cat/0.jpg; 1 differs from the row that is kept (here it "
        "says site ulm, not bonn, sex f, not empty)"
    ) in manifest.notes[0]


def test_rows_with_an_empty_split_beside_a_given_one_are_trained_on_counted_and_said(photo_folder: Make) -> None:
    root = photo_folder(["cat", "dog"], 6)
    parts = ["train", "", "", "", "", "valid"]
    lines = [f"{name}/{place}.jpg,{name},{part}" for name in ("cat", "dog") for place, part in enumerate(parts)]
    manifest = load_manifest(write_table(root / "t.csv", "image,label,split", *lines))
    assert manifest.frame["split"].value_counts().to_dict() == {"train": 10, "valid": 2}
    assert count_images(count_texts(manifest.frame["split"])) == 10
    assert manifest.notes == ("8 rows of t.csv with an empty split: read as train",)


def test_blanks_and_the_unicode_form_split_no_label_and_no_patient(photo_folder: Make) -> None:
    root = photo_folder(["cat"], 4)
    composed, split = "caf\u00e9", "cafe\u0301"
    cells = [(composed, "p1"), (f" {split}", "p1 "), ("tea", f"{composed}\u00a0"), ("tea", split)]
    lines = [f"cat/{place}.jpg,{label},{patient}" for place, (label, patient) in enumerate(cells)]
    manifest = load_manifest(write_table(root / "t.csv", "image,label,patient", *lines))
    assert manifest.classes == (composed, "tea")
    assert assign_groups(manifest.frame, "patient")["group"].tolist() == ["p1", "p1", composed, composed]
    assert manifest.notes[1].startswith("patient: 'p1' and 'p1 ' are read as one, 'p1', and 1 more likewise")


def test_a_blank_cell_is_no_patient_that_images_share(photo_folder: Make) -> None:
    root = photo_folder(["cat"], 3)
    lines = [f"cat/{place}.jpg,cat,{patient}" for place, patient in enumerate(("p1", " ", "  "))]
    manifest = load_manifest(write_table(root / "t.csv", "image,label,patient", *lines))
    assert assign_groups(manifest.frame, "patient")["group"].tolist() == ["p1", "", ""]


def test_class_folders_that_differ_by_a_blank_or_the_unicode_form_are_one_class(photo_folder: Make) -> None:
    photo_folder(["caf\u00e9", "tea"], 2, under="data/train ")
    root = photo_folder(["cafe\u0301", "tea "], 2, under="data/valid").parent
    manifest = load_manifest(root)
    assert manifest.classes == ("caf\u00e9", "tea")
    assert manifest.frame["split"].value_counts().to_dict() == {"train": 4, "valid": 4}
    assert all(Path(path).is_file() for path in manifest.frame["path"])
    assert any(note.startswith("class folders: ") for note in manifest.notes)


@pytest.mark.parametrize("second", ["cat/0.jpg,dog,train", "./cat/../cat/0.jpg,cat,valid"])
def test_one_image_with_two_labels_or_in_two_parts_is_refused(photo_folder: Make, second: str) -> None:
    table = write_table(photo_folder() / "t.csv", "image,label,split", "cat/0.jpg,cat,train", second)
    with pytest.raises(DataError, match="more than once with different values"):
        load_manifest(table)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["picture,label", "a,b"], "no column 'image'; its columns are picture, label"),
        (["image,lable", "a,b"], "no column 'label'"),
        (["image,prediction,confidence", "a.jpg,x,0.9"], "a model's predictions are not the truth"),
        (["image,label"], "has no rows"),
        (["image,label", "a.jpg,"], "1 row has no label (line 2)"),
        (["image,label,split", "a.jpg,x,later"], "split is 'later'; allowed: train, valid, test"),
        (["image,label,split", "a.jpg,x,valid"], "no row has split train"),
        (["image,label", "a.jpg,x", "b.jpg,y,z"], "line 3 has 3 cells, the header has 2"),
    ],
)
def test_faults_of_a_table_are_named(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_manifest(write_table(tmp_path / "t.csv", *lines))
    assert words in caught.value.message


def test_a_table_with_labels_may_hold_predictions_too(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    table = write_table(root / "t.csv", "image,prediction,label", "cat/0.jpg,dog,cat", "dog/0.jpg,dog,dog")
    assert load_manifest(table).frame["label"].tolist() == ["cat", "dog"]


def test_whoever_would_learn_from_predictions_is_told_what_to_rename(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_manifest(write_table(tmp_path / "t.csv", "image,prediction", "a.jpg,x"))
    assert "rename the column prediction to label" in caught.value.hint


def test_a_comma_at_the_end_of_every_line_moves_no_column(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    frame = load_manifest(write_table(root / "t.csv", "image,label", "cat/0.jpg,cat,", "dog/0.jpg,dog,")).frame
    assert list(frame["label"]) == ["cat", "dog"]


def test_an_empty_file_and_what_is_no_text_are_named(tmp_path: Path) -> None:
    for content, words in ((b"", "is empty"), (b"image,label\n\0\xff\xfe,x", "binary content")):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(DataError, match=words):
            load_manifest(tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load_manifest(tmp_path / "t.parquet")


def test_images_to_predict_come_from_folders_files_and_tables_once_each(
    photo_folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photo_folder(images=1)
    write_table(root / "t.csv", "image", r"dog\0.jpg", "gone.jpg")
    monkeypatch.chdir(root.parent)
    rows = build_query(["photos/cat", "photos/cat/0.jpg", root / "t.csv"]).rows
    assert [row.image for row in rows] == ["photos/cat/0.jpg", r"dog\0.jpg", "gone.jpg"]
    assert [row.path for row in rows] == [str(root / name) for name in ("cat/0.jpg", "dog/0.jpg", "gone.jpg")]


def test_nothing_to_predict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains no images"):
        build_query([tmp_path])
    with pytest.raises(DataError, match="does not exist"):
        build_query([tmp_path / "gone"])


def test_a_pipe_among_the_images_is_listed_to_be_reported_and_never_opened(
    photo_folder: Callable[..., Path],
) -> None:
    root = photo_folder()
    os.mkfifo(root / "cat" / "pipe.png")
    assert "cat/pipe.png" in load_manifest(root).frame["image"].tolist()
    checked = check_files(load_manifest(root).frame, Silent())
    assert [(one.image, one.error) for one in checked.unreadable] == [("cat/pipe.png", "is a named pipe, not a file")]
    assert len(build_query([root]).rows) == 7


def test_a_uri_in_place_of_a_source_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"s3://bucket/train\.tar: labelled data is read from a disk"):
        load_manifest("s3://user:secret@bucket/train.tar")

"""A table of labelled images is read as people write it, and whatever was assumed of it is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from sightx_cli.data.layout import Layout
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.readers import load_bytes, measure_header
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError, UsageError

Make = Callable[..., Path]


def write_rows(path: Path, *rows: Sequence[str], divider: str = ",", encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(divider.join(row) + "\n" for row in rows).encode(encoding))
    return path


@pytest.fixture
def root(photo_folder: Make) -> Path:
    """A folder with img/0.jpg … img/5.jpg."""
    return photo_folder(["img"], 6)


def join(*columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of a table by its columns."""
    return list(zip(*columns, strict=True))


NAMES = [f"img/{number}.jpg" for number in range(6)]
CLASSES = ["cat", "cat", "cat", "dog", "dog", "dog"]


def list_kinds(manifest: Manifest) -> list[str]:
    return [one.kind for one in manifest.notices]


def check_read(manifest: Manifest, root: Path) -> None:
    assert manifest.frame["path"].tolist() == [str(root / name) for name in NAMES]
    assert manifest.frame["label"].tolist() == CLASSES


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("file", "class"),
        ("File Name", "Diagnosis"),
        ("image_path", "target"),
        ("Image-ID", "y"),
        ("id_code", "grade"),
        ("IMG", "Species"),
        ("filename", "dx"),
        ("id", "breed"),
    ],
)
def test_columns_are_found_by_the_names_that_people_give_them(root: Path, image: str, label: str) -> None:
    manifest = load_manifest(write_rows(root / "t.csv", (image, "age", label), *join(NAMES, "123456", CLASSES)))
    check_read(manifest, root)
    assert list_kinds(manifest) == ["columns"]
    text = manifest.notes[0]
    assert f"column {image}" in text
    assert f"column {label}" in text
    assert text.endswith("if that is wrong, add --image-column NAME, add --label-column NAME")


@pytest.mark.parametrize("head", [("image", "label"), ("Image", "LABEL"), (" image ", "label")])
def test_the_documented_names_need_no_word(root: Path, head: tuple[str, str]) -> None:
    manifest = load_manifest(write_rows(root / "t.csv", head, *join(NAMES, CLASSES)))
    check_read(manifest, root)
    assert manifest.notices == ()


def test_the_documented_names_come_before_any_other(root: Path) -> None:
    head = ("id", "filename", "image", "class", "label")
    manifest = load_manifest(write_rows(root / "t.csv", head, *join("abcdef", "ghijkl", NAMES, "uvwxyz", CLASSES)))
    check_read(manifest, root)
    assert manifest.notices == ()
    assert manifest.frame["filename"].tolist() == list("ghijkl")


def test_a_column_of_any_name_is_found_where_its_values_are_files(root: Path) -> None:
    ids = [str(number) for number in range(6)]
    manifest = load_manifest(write_rows(root / "t.csv", ("Alter", "Foto", "label"), *join("777799", ids, CLASSES)))
    check_read(manifest, root)
    assert "column Foto (its values are names of files)" in manifest.notes[0]


@pytest.mark.parametrize(
    ("head", "flag"),
    [
        (("filename", "image_path", "label"), "--image-column"),
        (("image", "diagnosis", "target"), "--label-column"),
        (("image", "dx", "type"), "--label-column"),
    ],
)
def test_two_columns_that_may_be_it_are_refused_with_the_line_to_type(
    root: Path, head: tuple[str, str, str], flag: str
) -> None:
    with pytest.raises(DataError) as caught:
        load_manifest(write_rows(root / "t.csv", head, *join(NAMES, NAMES, CLASSES)))
    several = [name for name in head if name not in ("image", "label")]
    for name in several:
        assert name in caught.value.message
        assert f"{flag} {name}" in caught.value.hint


def test_no_column_that_may_be_it_is_refused_with_the_columns_and_the_line_to_type(root: Path) -> None:
    table = write_rows(root / "t.csv", ("Foto", "Befund"), ("x", "a"), ("y", "b"))
    with pytest.raises(DataError, match=r"has no column 'image'; its columns are Foto, Befund") as caught:
        load_manifest(table)
    assert "--image-column NAME" in caught.value.hint
    table = write_rows(root / "t.csv", ("image", "age", "Befund"), *join(NAMES, "123456", CLASSES))
    with pytest.raises(DataError, match=r"has no column 'label'; its columns are image, age, Befund") as caught:
        load_manifest(table)
    assert "--label-column Befund" in caught.value.hint


def test_a_table_without_a_header_is_told_to_have_one(root: Path) -> None:
    with pytest.raises(DataError, match="has no line with the names of its columns") as caught:
        load_manifest(write_rows(root / "t.csv", *join(NAMES, CLASSES)))
    assert "image,label" in caught.value.hint


def test_columns_are_what_the_user_says(root: Path) -> None:
    head = ("image", "label", "Image File", "grade of A")
    table = write_rows(root / "t.csv", head, *join("abcdef", "uvwxyz", NAMES, CLASSES))
    manifest = load_manifest(table, Layout(image_column="image_file", label_column="grade of A"))
    check_read(manifest, root)
    assert manifest.notices == ()
    assert manifest.frame["label_given"].tolist() == list("uvwxyz")
    for layout in (Layout(image_column="picture"), Layout(label_column="grades of A")):
        with pytest.raises(DataError, match="no such column; its columns are image, label, Image File") as caught:
            load_manifest(table, layout)
        assert "-column " in caught.value.hint
    with pytest.raises(DataError) as caught:  # nothing is near: no column is put into the user's mouth
        load_manifest(table, Layout(label_column="diagnosis"))
    assert caught.value.hint == "name one of them: --label-column COLUMN"


def test_a_column_named_path_that_is_not_the_image_is_kept_beside_ours(root: Path) -> None:
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "path", "label"), *join(NAMES, "abcdef", CLASSES)))
    check_read(manifest, root)
    assert manifest.frame["path_given"].tolist() == list("abcdef")


def test_ids_are_completed_and_said(root: Path) -> None:
    ids = [str(number) for number in range(6)]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "label"), *join(ids, CLASSES)))
    check_read(manifest, root)
    assert manifest.frame["image"].tolist() == ids
    assert [(one.kind, one.count) for one in manifest.notices] == [("completed-names", 6)]


def test_images_are_looked_up_in_the_folder_given(root: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    ids = [str(number) for number in range(6)]
    table = write_rows(tmp_path / "study" / "t.csv", ("image", "label"), *join(ids, CLASSES))
    check_read(load_manifest(table, Layout(images=root)), root)
    for images, words in ((root / "gone", "does not exist"), (root / "img" / "0.jpg", "is not a folder")):
        with pytest.raises(DataError, match=words):
            load_manifest(table, Layout(images=images))


def test_a_table_none_of_whose_images_is_found_says_where_they_are(
    write_photo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        write_photo(tmp_path / "data" / "raw" / "images" / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    table = write_rows(tmp_path / "t.csv", ("image", "label"), ("a", "x"), ("b", "y"))
    with pytest.raises(DataError, match="none of the 2 images") as caught:
        load_manifest(table)
    assert "--images data/raw/images" in caught.value.hint
    assert len(load_manifest(table, Layout(images=Path("data/raw/images"))).frame) == 2


def test_where_another_column_names_the_files_it_is_said(root: Path) -> None:
    table = write_rows(root / "t.csv", ("image", "foto", "label"), *join("uvwxyz", NAMES, CLASSES))
    with pytest.raises(DataError, match="none of the 6 images") as caught:
        load_manifest(table)
    assert "--image-column foto" in caught.value.hint


def test_names_that_stand_in_every_class_folder_are_told_by_the_label(write_photo: Make, tmp_path: Path) -> None:
    rows = [(f"{number}.jpg", name) for name in ("cat", "dog") for number in range(3)]
    for seed, (image, name) in enumerate(rows):
        write_photo(tmp_path / name / image, seed=seed)
    manifest = load_manifest(write_rows(tmp_path / "t.csv", ("image", "label"), *rows))
    assert [Path(path).parent.name for path in manifest.frame["path"]] == ["cat"] * 3 + ["dog"] * 3
    assert manifest.frame["image"].tolist() == [f"{name}/{image}" for image, name in rows]
    assert list_kinds(manifest) == ["placed-names"]


def test_rows_without_a_file_are_counted_and_kept_to_be_listed(root: Path) -> None:
    names = [*NAMES[:3], "img/7.jpg", "img/8.jpg", "img/9.jpg"]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "label"), *join(names, CLASSES)))
    assert len(manifest.frame) == 6
    assert [(one.kind, one.count, one.warns) for one in manifest.notices] == [("missing-files", 3, True)]
    assert "3 of 6 images of t.csv do not exist, such as img/7.jpg" in manifest.notes[0]


@pytest.mark.parametrize("name", ["set", "Subset", "partition"])
def test_parts_are_read_from_a_column_of_another_name_where_all_its_values_are_parts(root: Path, name: str) -> None:
    parts = ["train", "train", "val", "train", "train", "val"]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "label", name), *join(NAMES, CLASSES, parts)))
    assert manifest.frame["split"].value_counts().to_dict() == {"train": 4, "valid": 2}
    assert f"parts from the column {name}" in manifest.notes[0]


def test_a_column_of_parts_with_other_values_is_not_used_which_is_said(root: Path) -> None:
    parts = ["train", "train", "extra", "train", "train", "extra"]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "label", "usage"), *join(NAMES, CLASSES, parts)))
    assert set(manifest.frame["split"]) == {""}
    assert [(one.kind, one.warns) for one in manifest.notices] == [("possible-parts", True)]
    assert "'extra'" in manifest.notes[0]


def test_groups_are_never_guessed_but_the_column_to_name_is_said(root: Path) -> None:
    rows = [*join(NAMES, CLASSES, ["p1", "p1", "p2", "p3", "p3", "p3"])]
    table = write_rows(root / "t.csv", ("image", "label", "Patient ID"), *rows)
    manifest = load_manifest(table)
    assert set(manifest.frame["group"]) == {""}
    assert [(one.kind, one.count, one.warns) for one in manifest.notices] == [("possible-groups", 3, True)]
    assert "--group-by 'Patient ID'" in manifest.notes[0]
    assert load_manifest(table, Layout(group_by="Patient ID")).notices == ()
    said = load_manifest(table, Layout(judges=True, per="Patient ID")).notes[0]
    assert "used by --per 'Patient ID' alone" in said
    assert "split" not in said  # a finished model is judged on all of them
    table = write_rows(root / "t.csv", ("image", "label", "patient"), *((*row[:2], row[0]) for row in rows))
    assert load_manifest(table).notices == ()


def test_one_column_for_each_class_is_read_and_named(root: Path) -> None:
    rows = [(name, "7", str(int(k == "cat")), str(float(k == "dog"))) for name, k in join(NAMES, CLASSES)]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "age", "cat", "dog"), *rows))
    check_read(manifest, root)
    assert [(one.kind, one.count) for one in manifest.notices] == [("class-columns", 2)]
    assert "cat, dog; no classes are age" in manifest.notes[0]


def test_a_column_of_yes_and_no_beside_the_label_is_no_class(root: Path) -> None:
    rows = [(name, str(place % 2), str(place % 3 == 0), k) for place, (name, k) in enumerate(join(NAMES, CLASSES))]
    check_read(load_manifest(write_rows(root / "t.csv", ("image", "sex", "left", "label"), *rows)), root)


def test_the_columns_of_the_classes_may_be_named(root: Path) -> None:
    rows = [(name, str(place % 2), str(int(k == "cat")), str(int(k == "dog")), "z") for place, (name, k) in
            enumerate(join(NAMES, CLASSES))]  # fmt: skip
    table = write_rows(root / "t.csv", ("image", "sex", "cat", "dog", "label"), *rows)
    check_read(load_manifest(table, Layout(label_column="cat, dog")), root)
    with pytest.raises(DataError, match="label holds 'z'"):
        load_manifest(table, Layout(label_column="cat,label"))


def test_rows_of_several_classes_are_sets_of_labels(root: Path) -> None:
    rows = [(name, str(int(k == "cat")), "1") for name, k in join(NAMES, CLASSES)]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "cat", "dog"), *rows))
    assert manifest.separator
    assert manifest.classes == ("cat", "dog")
    with pytest.raises(DataError, match="--no-multi-label"):
        load_manifest(root / "t.csv", Layout(multi_label=False))


def test_a_formula_that_failed_is_no_label(root: Path) -> None:
    table = write_rows(root / "t.csv", ("image", "label"), *join(NAMES, [*CLASSES[:5], "#N/A"]))
    with pytest.raises(DataError, match=r"the label of 1 rows is #N/A, a formula that failed"):
        load_manifest(table)


def test_labels_that_differ_by_case_are_one_and_named(root: Path) -> None:
    labels = ["cat", "Cat", "cat ", "dog", "DOG", "dog"]
    manifest = load_manifest(write_rows(root / "t.csv", ("image", "label"), *join(NAMES, labels)))
    check_read(manifest, root)
    assert [(one.kind, one.warns) for one in manifest.notices] == [("same-names", True)]


# --- labels in the names of the files ---


@pytest.fixture
def loose(write_photo: Make, tmp_path: Path) -> Path:
    """Loose images in folders that say nothing."""
    names = ("a/cat_1.jpg", "a/cat_2.jpg", "b/dog_1.jpg", "b/deep/dog_2.jpg", "dog_3.jpg")
    for seed, name in enumerate(names):
        write_photo(tmp_path / "loose" / name, seed=seed)
    return tmp_path / "loose"


@pytest.mark.parametrize("expression", ["cat|dog", "^([a-z]+)_", r"([a-z]+)_\d+\.jpg$"])
def test_the_label_in_a_files_name_is_read_from_a_folder(loose: Path, expression: str) -> None:
    manifest = load_manifest(loose, Layout(label_by=expression))
    assert dict(join(manifest.frame["image"], manifest.frame["label"])) == {
        "a/cat_1.jpg": "cat",
        "a/cat_2.jpg": "cat",
        "b/dog_1.jpg": "dog",
        "b/deep/dog_2.jpg": "dog",
        "dog_3.jpg": "dog",
    }
    assert (manifest.kind, manifest.notices) == ("folder", ())


def test_the_folders_of_a_file_are_not_searched_for_its_label(loose: Path) -> None:
    with pytest.raises(DataError, match=r"matches none of the 5 file names, such as dog_3\.jpg"):
        load_manifest(loose, Layout(label_by="deep"))


def test_names_that_do_not_match_are_left_out_and_counted(loose: Path) -> None:
    manifest = load_manifest(loose, Layout(label_by="cat"))
    assert set(manifest.frame["label"]) == {"cat"}
    assert [(one.kind, one.count, one.warns) for one in manifest.notices] == [("unlabelled", 3, True)]
    assert "such as dog_3.jpg" in manifest.notes[0]


def test_folders_that_are_parts_stay_parts_where_labels_are_in_the_names(loose: Path, write_photo: Make) -> None:
    for part in ("train", "val"):
        for name in ("cat_1", "dog_1"):
            write_photo(loose.parent / "set" / part / f"{name}.jpg")
    write_photo(loose.parent / "set" / "more" / "cat_9.jpg")
    manifest = load_manifest(loose.parent / "set", Layout(label_by="^[a-z]+"))
    assert manifest.kind == "split-folders"
    assert manifest.frame["split"].tolist() == ["train", "train", "valid", "valid"]
    assert [(one.kind, one.count) for one in manifest.notices] == [("other-folders", 1)]


def test_the_label_in_a_files_name_is_read_for_a_table(loose: Path) -> None:
    names = ["a/cat_1.jpg", "cat_2", "dog_1", "dog_3.jpg", "b/deep/dog_2.jpg"]
    manifest = load_manifest(write_rows(loose / "t.csv", ("image",), *((name,) for name in names)),
                             Layout(label_by="^([a-z]+)_[0-9][.]jpg"))  # fmt: skip
    assert manifest.frame["label"].tolist() == ["cat", "cat", "dog", "dog", "dog"]


def test_an_expression_that_is_none_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="is not a regular expression"):
        Layout(label_by="(")
    with pytest.raises(UsageError, match="both say where the labels are"):
        Layout(label_by="x", label_column="y")


@pytest.mark.parametrize(
    "layout", [Layout(image_column="x"), Layout(label_column="x"), Layout(images=Path("x"))], ids=str
)
def test_what_only_a_table_has_is_refused_for_a_folder(loose: Path, layout: Layout) -> None:
    with pytest.raises(UsageError, match=r"is for a table, and .*loose is a folder"):
        load_manifest(loose, layout)


# --- whatever a spreadsheet or a script writes ---


def test_a_clinicians_workbook_is_read_as_it_is(root: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Befunde"
    for row in (["Studie Netzhaut 2024"], [], ["Image ID", "Patient ID", "Diagnosis", "Note"]):
        sheet.append(row)
    for number, label in enumerate(CLASSES):
        sheet.append([number, f"p{number // 2}", f"{label} ", None])
    book.create_sheet("Legende").append(["x"])
    book.save(root / "t.xlsx")
    manifest = load_manifest(root / "t.xlsx", Layout(group_by="Patient ID"))
    check_read(manifest, root)
    assert list_kinds(manifest) == ["other-sheets", "above-header", "columns", "completed-names"]


def test_a_table_saved_on_windows_for_excel_is_read_as_it_is(root: Path) -> None:
    names = [rf"C:\Studie\img\{number}.jpg" for number in range(6)]
    path = write_rows(root / "t.csv", ("sep=;",), ("Dateiname;Größe",), divider="")
    rows = [f"{name} ; {label}" for name, label in join(names, CLASSES)]
    path.write_bytes("\r\n".join(["sep=;", "filename;class", *rows, ""]).encode("utf-16"))
    manifest = load_manifest(path)
    check_read(manifest, root)
    assert list_kinds(manifest) == ["columns", "shortened-names"]


def test_absolute_paths_need_no_word(root: Path) -> None:
    manifest = load_manifest(
        write_rows(root / "t.csv", ("image", "label"), *join([str(root / n) for n in NAMES], CLASSES))
    )
    check_read(manifest, root)
    assert manifest.notices == ()


def test_blank_rows_are_no_rows(root: Path) -> None:
    rows = join(NAMES, CLASSES)
    table = write_rows(root / "t.csv", ("image", "label"), *rows[:3], ("", ""), *rows[3:])
    check_read(load_manifest(table), root)


def test_rows_without_an_image_or_a_label_are_named_by_their_lines(root: Path) -> None:
    (root / "t.csv").write_text(f"sep=,\n\nimage,label\n{NAMES[0]},cat\n\n,dog\n{NAMES[1]},\n")
    with pytest.raises(DataError, match=r"1 row has no image \(line 6\)"):
        load_manifest(root / "t.csv")


def test_a_uri_is_read_where_it_points_and_its_secrets_are_not_kept(photo_folder: Make, tmp_path: Path) -> None:
    root = photo_folder(images=1)
    uris = [f"file://{root}/{name}/0.jpg" for name in ("cat", "dog")]
    (tmp_path / "t.csv").write_text(f"image,label\n{uris[0]},a\n{uris[1]}?signature=secret,b\n")
    frame = load_manifest(tmp_path / "t.csv").frame
    assert frame["image"].tolist() == uris
    assert measure_header(frame["path"].iloc[0])[:2] == (40, 30)
    assert load_bytes(frame["path"].iloc[0]) == (root / "cat" / "0.jpg").read_bytes()

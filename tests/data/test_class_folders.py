"""Class folders are found under whatever layout people give them; what can be read in two ways is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sightx_cli.data.manifest import Manifest
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError

Build = Callable[..., Path]
CLASSES = ("ants", "bees")


def encode_photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 120, 40)).save(file, "JPEG")
    return file.getvalue()


PHOTO = encode_photo()


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Makes a folder "study": `build("train/ants", "valid -> val", extra=4)`.

    Two photographs in each folder named, links, and so many photographs in each folder named by keyword.
    """

    def make(*names: str, **counts: int) -> Path:
        root = tmp_path / "study"
        root.mkdir()
        for name, count in [*((name, 2) for name in names if " -> " not in name), *counts.items()]:
            (root / name).mkdir(parents=True, exist_ok=True)
            for place in range(count):
                (root / name / f"{place}.jpg").write_bytes(PHOTO)
        for link, target in (name.split(" -> ") for name in names if " -> " in name):
            (root / link).parent.mkdir(parents=True, exist_ok=True)
            (root / link).symlink_to(target, target_is_directory=True)
        return root

    return make


def place(*parts: str, classes: tuple[str, ...] = CLASSES) -> list[str]:
    """The class folders in each part."""
    return [f"{part}/{name}" for part in parts for name in classes]


def count_images(manifest: Manifest) -> dict[str, int]:
    """{"train/ants": 2} of a split, {"ants": 2} of a folder of classes."""
    names = manifest.frame["split"] + "/" + manifest.frame["label"]
    return names.str.strip("/").value_counts().sort_index().to_dict()


def say(manifest: Manifest, kind: str) -> str:
    """The one notice of a kind."""
    found = [notice.text for notice in manifest.notices if notice.kind == kind]
    assert len(found) == 1, manifest.notices
    return found[0]


def refuse(root: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        load_manifest(root)
    return caught.value


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("Training", "Testing"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("data/train", "data/test"),
        ("archive/dataset/TRAIN", "archive/dataset/TEST"),
        ("xray_train", "xray_test"),
        ("train-2019", "test-2019"),
        ("images_train/images", "images_test/images"),
        ("train/photographs taken", "test/photographs taken"),
    ],
)
def test_parts_under_their_common_names_are_no_classes(build: Build, train: str, test: str) -> None:
    manifest = load_manifest(build(*place(train, test)))
    assert count_images(manifest) == {"test/ants": 2, "test/bees": 2, "train/ants": 2, "train/bees": 2}
    assert say(manifest, "parts") == f"train from {train}/; test from {test}/; valid is split off train"


def test_parts_with_plain_names_need_no_word(build: Build) -> None:
    assert load_manifest(build(*place("train", "Val", "test"))).notices == ()


def test_a_stray_image_beside_a_folder_held_alone_keeps_nobody_out(build: Build) -> None:
    root = build(*place("seg_train/seg_train", "seg_test/seg_test"))
    for name in ("cover.jpg", "seg_train/cover.jpg"):
        (root / name).write_bytes(PHOTO)
    manifest = load_manifest(root)
    assert sum(count_images(manifest).values()) == 8
    assert say(manifest, "loose-images").startswith("left out 2 images directly in study/, seg_train/")


def test_folders_of_images_to_be_labelled_are_passed_over_with_what_to_type(build: Build) -> None:
    root = build(*place("seg_train/seg_train", "seg_test/seg_test"), **{"seg_pred/seg_pred": 5})
    manifest = load_manifest(root)
    assert manifest.classes == CLASSES
    text = f"passed over seg_pred/: 5 images in no class folder. To label them with the model: sightx predict {root}/"
    assert say(manifest, "unlabelled") == f"{text}seg_pred"


@pytest.mark.parametrize("name", ["test", "test/test", "test/unknown", "test/images", "unlabelled"])
def test_a_part_without_classes_is_one_of_images_to_be_labelled(build: Build, name: str) -> None:
    manifest = load_manifest(build(*place("train"), **{name: 3}))
    assert count_images(manifest) == {"ants": 2, "bees": 2}
    assert "3 images in no class folder" in say(manifest, "unlabelled")


def test_images_to_be_labelled_may_lie_beside_the_classes(build: Build) -> None:
    manifest = load_manifest(build(*CLASSES, unlabelled=3))
    assert manifest.classes == CLASSES
    assert "sightx predict" in say(manifest, "unlabelled")


def test_two_folders_of_one_part_are_joined_and_said(build: Build) -> None:
    manifest = load_manifest(build(*place("train-2019", "train-2020", "val", "dev")))
    assert count_images(manifest) == {"train/ants": 4, "train/bees": 4, "valid/ants": 4, "valid/bees": 4}
    assert say(manifest, "parts") == "train from train-2019/ and train-2020/; valid from dev/ and val/"


def test_an_evaluation_part_beside_a_validation_part_is_the_test(build: Build) -> None:
    manifest = load_manifest(build(*place("training", "validation", "evaluation")))
    assert (manifest.has_valid, manifest.has_test) == (True, True)


def test_a_folder_beside_parts_is_left_out_with_its_count(build: Build) -> None:
    manifest = load_manifest(build(*place("train", "valid"), extra=3))
    assert say(manifest, "other-folders") == "left out extra/ (3 images), next to train/, valid/"


def test_the_only_folder_is_entered_where_its_name_says_nothing(build: Build) -> None:
    for name in ("data", "images", "study"):
        root = build(*place(name))
        manifest = load_manifest(root)
        assert manifest.classes == CLASSES
        assert manifest.frame["image"][0] == f"{name}/ants/0.jpg"
        assert say(manifest, "parts") == f"class folders from {name}/"
        root.rename(root.with_name(f"study-{name}"))


def test_one_folder_that_holds_several_is_refused_with_the_line_to_type(build: Build) -> None:
    root = build(*place("clinic/healthy", classes=("anna", "ben")))
    error = refuse(root)
    assert "one folder with images, clinic/healthy/, and in it anna/, ben/" in error.message
    assert f"sightx fit {root}/clinic/healthy" in error.hint


def test_parts_within_each_class_are_read_as_parts_and_said(build: Build) -> None:
    manifest = load_manifest(build(*place("ants", "bees", classes=("train", "valid"))))
    assert count_images(manifest) == {"train/ants": 2, "train/bees": 2, "valid/ants": 2, "valid/bees": 2}
    assert say(manifest, "parts") == "train from train/, valid from valid/ in each of ants/, bees/"


def test_several_data_sets_side_by_side_are_refused_with_the_first_to_type(build: Build) -> None:
    root = build(*place("first/train", "first/valid", "second/train", "second/valid", "third/train"))
    error = refuse(root)
    assert "first/, second/, third/ hold train/ and valid/ with classes in them" in error.message
    assert error.hint == f"give one of them: sightx fit {root}/first"
    assert load_manifest(root / "first").classes == CLASSES


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("siteA", "siteB"), CLASSES),
        (("munich", "berlin", "paris"), CLASSES),
        (("2019", "2020"), CLASSES),
        (("fold1", "fold2", "fold3"), CLASSES),
        (("site 1", "site 2"), ("0", "1")),
        (("2019/01", "2020/01"), CLASSES),
        (("train/siteA", "train/siteB", "valid/siteA"), CLASSES),
    ],
)
def test_sites_dates_and_parts_that_hold_the_classes_are_refused(
    build: Build, names: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    error = refuse(build(*place(*names, classes=classes)))
    assert f"hold the same folders ({classes[0]}/, {classes[1]}/)" in error.message
    assert "give one of them: sightx fit " in error.hint


def test_a_site_that_lacks_a_class_and_a_stray_image_hide_no_sites(build: Build) -> None:
    kinds = ("ants", "bees", "wasps")
    root = build(*place("siteA", "siteB", classes=kinds), *place("siteC", classes=kinds[:2]))
    (root / "siteA" / "cover.jpg").write_bytes(PHOTO)
    assert "hold the same folders" in refuse(root).message


@pytest.mark.parametrize(
    "inner",
    [
        ("left", "right"),
        ("patient 7", "patient 8"),
        ("2019-01-02", "2019-03-04"),
        ("40X", "100X"),
        ("male", "female"),
        ("images",),
        ("day 1/left", "day 1/right"),
    ],
)
def test_patients_sides_and_dates_in_class_folders_belong_to_the_class(build: Build, inner: tuple[str, ...]) -> None:
    manifest = load_manifest(build(*place("healthy", "sick", classes=inner)))
    assert manifest.classes == ("healthy", "sick")


def test_numbers_shared_by_classes_are_read_as_theirs_and_said(build: Build) -> None:
    manifest = load_manifest(build(*place("healthy", "sick", classes=("P007", "P008"))))
    assert manifest.classes == ("healthy", "sick")
    assert "healthy/, sick/ hold folders of the same names (P007/, P008/)" in say(manifest, "shared-folders")


def test_classes_with_different_folders_in_them_are_classes(build: Build) -> None:
    manifest = load_manifest(build("animals/cat", "animals/dog", "vehicles/bus", "vehicles/train"))
    assert manifest.classes == ("animals", "vehicles")
    assert manifest.notices == ()


def test_masks_among_the_images_of_a_class_are_a_warning_with_their_count(build: Build) -> None:
    manifest = load_manifest(build(*place("covid", "normal", classes=("images", "masks"))))
    assert say(manifest, "masks").startswith("4 images in covid/masks/ and its like are read as images of their class")


def test_a_class_called_train_stays_one_beside_folders_of_images_and_that_is_said(build: Build) -> None:
    manifest = load_manifest(build("bus", "car", "train"))
    assert manifest.classes == ("bus", "car", "train")
    assert say(manifest, "class-named-as-part").startswith("train/ is read as a class, like bus/, car/")


def test_a_class_called_train_may_have_folders_by_date(build: Build) -> None:
    assert load_manifest(build("bus", "car", "train/2019", "train/2020")).classes == ("bus", "car", "train")


@pytest.mark.parametrize("name", ["test", "valid", "validation_set"])
def test_a_class_named_like_a_part_beside_classes_is_refused_with_what_to_type(build: Build, name: str) -> None:
    root = build(*CLASSES, name)
    error = refuse(root)
    assert f"{name}/ is named like a part of the data, but ants/, bees/ beside it are not" in error.message
    assert f"mv {root}/{name} {root}/{name}_class" in error.hint
    (root / name).rename(root / f"{name}_class")
    assert load_manifest(root).classes == ("ants", "bees", f"{name}_class")


def test_a_test_part_beside_the_classes_to_train_on_is_refused_with_the_moves(build: Build) -> None:
    root = build(*CLASSES, *place("test"))
    assert refuse(root).hint.endswith(f"mkdir {root}/train && mv {root}/ants {root}/bees {root}/train")


def test_a_training_part_under_an_unknown_name_is_refused_with_the_renaming(build: Build) -> None:
    root = build(*place("source", "test"))
    assert refuse(root).hint.endswith(f"mv {root}/source {root}/train")


def test_train_with_classes_beside_other_images_is_asked_about(build: Build) -> None:
    root = build(*place("train"), extra=3)
    error = refuse(root)
    assert "is it the part to train on, or a class?" in error.message
    assert f"sightx fit {root}/train" in error.hint


@pytest.mark.parametrize("names", [("train/images", "valid/images"), ("images", "masks"), ("train",), ("images",)])
def test_images_without_class_folders_are_refused_with_the_table_beside_them(
    build: Build, names: tuple[str, ...]
) -> None:
    root = build(*names)
    assert "no class folders" in refuse(root).message
    (root / "labels.csv").write_text("image,label\n")
    assert refuse(root).hint == f"type sightx fit {root}/labels.csv"


@pytest.mark.parametrize(
    ("link", "names"),
    [
        ("valid -> val", ("train", "val")),
        ("test -> valid", ("train", "valid")),
        ("training -> valid", ("train", "valid")),
    ],
)
def test_two_names_of_one_folder_are_said_and_the_valid_part_is_kept(
    build: Build, link: str, names: tuple[str, ...]
) -> None:
    manifest = load_manifest(build(*place(*names), link))
    assert count_images(manifest) == {"train/ants": 2, "train/bees": 2, "valid/ants": 2, "valid/bees": 2}
    assert say(manifest, "same-folder").endswith("are the same folder: read once, as valid")


@pytest.mark.parametrize(("link", "name"), [("valid -> train", "train"), ("train -> valid", "valid")])
def test_a_valid_part_that_is_the_train_part_is_split_off_it(build: Build, link: str, name: str) -> None:
    manifest = load_manifest(build(*place(name), link))
    assert count_images(manifest) == {"ants": 2, "bees": 2}
    assert say(manifest, "same-folder") == (
        "train/ and valid/ are the same folder: read once, as train; valid is split off it"
    )


def test_class_folders_linked_between_the_parts_are_read_once_and_said(build: Build) -> None:
    manifest = load_manifest(build(*place("train"), "valid/bees", "valid/ants -> ../train/ants"))
    assert count_images(manifest) == {"train/ants": 2, "train/bees": 2, "valid/bees": 2}
    assert "train/ants/ and valid/ants/ (read as train/ants/)" in say(manifest, "same-folder")


def test_a_link_takes_no_class_from_valid_that_train_has_already(build: Build) -> None:
    links = ("more_train/ants -> ../valid/ants",)
    manifest = load_manifest(build(*place("train", "valid"), "more_train/bees", *links))
    assert manifest.frame["split"].value_counts()["valid"] == 4


def test_classes_that_differ_by_case_between_parts_are_one(build: Build) -> None:
    manifest = load_manifest(build(*place("train"), *place("valid", classes=("Ants", "BEES ")), "train/ants/more"))
    assert count_images(manifest) == {"train/BEES": 2, "train/ants": 4, "valid/BEES": 2, "valid/ants": 2}
    assert say(manifest, "same-names").startswith("class folders: ")
    assert all(Path(path).is_file() for path in manifest.frame["path"])


def test_an_empty_valid_folder_is_said(build: Build) -> None:
    manifest = load_manifest(build(*place("train"), valid=0))
    assert say(manifest, "empty-folders") == "left out valid/, which contains no images"


def test_a_class_folder_of_files_that_are_not_read_is_said_with_what_it_holds(build: Build) -> None:
    root = build(*CLASSES, wasps=0)
    for number in range(3):
        (root / "wasps" / f"{number}.nrrd").write_bytes(b"NRRD0004")
    manifest = load_manifest(root)
    assert say(manifest, "empty-folders") == "left out wasps/, which contains no images"
    assert "3 .nrrd (0.nrrd)" in say(manifest, "other-files")


def test_labelled_and_unlabelled_side_by_side_are_no_classes(build: Build) -> None:
    manifest = load_manifest(build(*place("labelled"), unlabelled=3))
    assert manifest.classes == CLASSES
    assert "passed over unlabelled/: 3 images" in say(manifest, "unlabelled")


def test_masks_beside_the_folder_of_the_classes_are_left_out_with_their_count(build: Build) -> None:
    manifest = load_manifest(build(*place("images"), masks=3))
    assert manifest.classes == CLASSES
    assert say(manifest, "other-folders") == "left out masks/ (3 images), next to images/"


def test_a_class_with_parts_beside_one_without_is_refused(build: Build) -> None:
    error = refuse(build("ants/train", "ants/test", "bees"))
    assert "ants/ holds parts (test/, train/), and bees/ holds none" in error.message

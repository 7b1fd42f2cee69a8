"""Parts are known by the names that people give them, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.data.layouts.part_names import is_filler, is_unlabelled, name_parts
from sightx_cli.data.sources import load_manifest

TRAIN = (
    "train training Train TRAINING train_set training_set trainset Training-Set seg_train train_images images_train "
    "TrainImages trainData traindata train-2019 train2017 01_train data_train trainval train_val"
)
VALID = "valid val VAL validation Validation_Set valset val2017 dev dev-set holdout hold_out eval evaluation"
TEST = "test testing Test Testing test_set testset seg_test test-images TestData test2017 tst"
NONE = (
    "trains station bus trainer contest latest tested valley value evil developer data images set 2019 "
    "stress_test train_station test_strip dog"
)


NAMES = {"train": [*TRAIN.split(), "train (1)"], "valid": VALID.split(), "test": TEST.split()}


@pytest.mark.parametrize(("name", "part"), [(name, part) for part, names in NAMES.items() for name in names])
def test_a_common_name_of_a_part_is_known(name: str, part: str) -> None:
    assert name_parts([name]) == {name: part}


@pytest.mark.parametrize("name", NONE.split())
def test_a_name_that_only_resembles_one_is_none(name: str) -> None:
    assert name_parts([name]) == {}


def test_names_with_other_words_are_parts_only_in_company() -> None:
    assert name_parts(["xray_train", "xray_test"]) == {"xray_train": "train", "xray_test": "test"}
    assert name_parts(["TrainCropped", "ValCropped"]) == {"TrainCropped": "train", "ValCropped": "valid"}
    assert name_parts(["xray_train", "ct_test"]) == {}
    assert name_parts(["stress_test", "stress_val"]) == {}
    assert name_parts(["xray_train", "xray_test", "ct_train", "ct_test"]) == {}
    assert name_parts(["train", "test", "old_train", "old_test"]) == {"train": "train", "test": "test"}


def test_an_evaluation_beside_a_valid_part_is_the_test() -> None:
    assert name_parts(["training", "validation", "evaluation"])["evaluation"] == "test"
    assert name_parts(["train", "eval", "test"])["eval"] == "valid"
    assert name_parts(["train", "val", "dev"]) == {"train": "train", "val": "valid", "dev": "valid"}


def test_folders_to_be_labelled_and_names_that_say_nothing_are_known() -> None:
    assert all(is_unlabelled(name) for name in ("pred", "seg_pred", "Predict", "unlabeled", "unlabelled_images"))
    assert not any(is_unlabelled(name) for name in ("test", "dog", "predator", "xray_pred"))
    assert all(is_filler(name) for name in ("data", "dataset2", "Images", "image_folder"))
    assert not any(is_filler(name) for name in ("dog", "train", "0", "data_dog"))


def test_a_table_takes_the_same_names_as_folders(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    lines = ["image,label,split", "a.jpg,x,Training_Set", "b.jpg,x,dev", "c.jpg,y,holdout", "d.jpg,y,train"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert load_manifest(tmp_path / "t.csv").frame["split"].tolist() == ["train", "valid", "test", "train"]

"""Pre-annotations as tools read them: each is held against the rules of its tool's own importer, named in its module.

What is written was also read by labelme 6.3.1, pycocotools 2.0.11, datumaro 1.13.12 and label-studio-sdk 2.1.2.
"""

from __future__ import annotations

import json
import os
import posixpath
import shlex
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import parse_qs, urlparse
from xml.etree import ElementTree

import pytest
from PIL import Image

from sightx_cli.report.annotations import FORMATS
from sightx_cli.task.multilabel import MultiLabel

CLASSES = ["cat", "hund, groß", '=1+1 "<&>"']
SAID = [
    ("in/a.png", (0.9, 0.05, 0.05), "sure"),
    ("in/b c/ü #1 100%.jpg", (0.3, 0.6, 0.1), "unsure"),
    ("in/b c/=1+1.jpg", (0.2, 0.1, 0.7), "unfamiliar"),
    ("in/b c/d.png", (0.35, 0.4, 0.25), "unsure"),
]
ORDER = ["b c/d.png", "b c/ü #1 100%.jpg", "b c/=1+1.jpg", "a.png"]
"""Unsure ones first, the least sure before the others, then unfamiliar ones."""
TOOLS = [name for name in FORMATS if name != "dicom-sr"]


@pytest.fixture
def images(tmp_path: Path, write_photo: Callable[..., Path]) -> Path:
    for name, _, _ in SAID:
        write_photo(tmp_path / name, size=(40, 30))
    return tmp_path / "in"


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_labelme(path: Path) -> tuple[Path, dict[str, bool], dict[str, Any]]:
    """As `labelme._label_file.read_label_file` does: the image, its flags, and the keys that come back unchanged."""
    raw = load(path)
    image = path.parent / PureWindowsPath(raw["imagePath"]).as_posix()
    with Image.open(image) as opened:
        for key, actual in (("imageHeight", opened.height), ("imageWidth", opened.width)):
            assert raw[key] in (None, actual)
    assert raw["imageData"] is None
    assert raw["shapes"] == []
    assert all(isinstance(flag, bool) for flag in raw["flags"].values())
    return image.resolve(), raw["flags"], raw["sightx"]


def test_labelme_finds_the_classes_of_an_image_as_its_flags(annotate: Any, images: Path) -> None:
    folder = annotate("labelme", SAID).folder
    image, flags, said = read_labelme(folder / "ü #1 100%.json")
    assert image == images / "b c" / "ü #1 100%.jpg"
    assert flags == {"cat": False, "hund, groß": True, '=1+1 "<&>"': False, "__unsure__": True}
    assert (said["confidence"], said["status"]) == (0.6, "unsure")
    assert read_labelme(folder / "a.json")[1] == {"cat": True, "hund, groß": False, '=1+1 "<&>"': False}
    assert (folder / "flags.txt").read_text(encoding="utf-8").splitlines() == CLASSES
    assert (folder / "review-first.txt").read_text(encoding="utf-8").splitlines() == ORDER[:3]


SHARED = [*SAID, ("in/a.jpg", (0.1, 0.8, 0.1), "sure"), ("in/b c/A.png", (0.2, 0.1, 0.7), "unfamiliar")]
"""With images whose files LabelMe would take for one: it goes by the name without the ending, in one folder for all."""


@pytest.fixture
def shared(images: Path) -> Path:
    for name in ("a.jpg", "b c/A.png"):
        Image.new("RGB", (9, 9)).save(images / name)
    return images


def open_labelme(folder: Path) -> list[tuple[Path, dict[str, bool]]]:
    """As labelme does with the command in how-to-import.txt: each image listed, in order, and what is loaded for it."""
    words = shlex.split((folder / "how-to-import.txt").read_text(encoding="utf-8").splitlines()[-1])
    shown, output = Path(words[1]), Path(words[words.index("--output") + 1])
    listed = sorted(path for path in shown.rglob("*") if path.suffix in {".png", ".jpg"})
    return [read_labelme(output / f"{path.stem}.json")[:2] for path in listed]


def test_labelme_is_opened_on_the_images_with_their_flags(annotate: Any, images: Path) -> None:
    found = open_labelme(annotate("labelme", SAID).folder)
    assert {image.relative_to(images).as_posix() for image, _ in found} == set(ORDER)


def test_labelme_has_a_file_for_each_image_also_where_names_are_shared(annotate: Any, shared: Path) -> None:
    made = annotate("labelme", SHARED)
    found = {image.relative_to(shared).as_posix(): flags for image, flags in open_labelme(made.folder)}
    assert list(found) == ["b c/d.png", "b c/ü #1 100%.jpg", "b c/=1+1.jpg", "b c/A.png", "a.jpg", "a.png"]
    assert found["a.png"] == {"cat": True, "hund, groß": False, '=1+1 "<&>"': False}
    assert found["a.jpg"] == {"cat": False, "hund, groß": True, '=1+1 "<&>"': False}
    assert found["b c/A.png"] == {"cat": False, "hund, groß": False, '=1+1 "<&>"': True, "__unfamiliar__": True}
    assert made.notices == []


def test_labelme_has_a_file_for_a_name_that_is_nearly_too_long(annotate: Any, images: Path) -> None:
    long = f"{'ü' * 125}y.png"
    Image.new("RGB", (9, 9)).save(images / long)
    found = open_labelme(annotate("labelme", [*SAID, (f"in/{long}", (0.2, 0.1, 0.7), "sure")]).folder)
    assert images / long in [image for image, _ in found]


def test_without_links_labelme_has_the_first_image_of_each_name_and_it_is_said(
    annotate: Any, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    made = annotate("labelme", SHARED)
    assert [(notice.kind, notice.count, notice.warns) for notice in made.notices] == [("left-out", 2, True)]
    assert read_labelme(made.folder / "A.json")[0] == shared / "b c" / "A.png"
    assert not (made.folder / "images").exists()


def test_coco_has_a_box_around_the_whole_image_for_each_label(annotate: Any, images: Path) -> None:
    made = load(annotate("coco", SAID).folder / "annotations" / "labels_predictions.json")
    assert [image["file_name"] for image in made["images"]] == ORDER
    assert [image["id"] for image in made["images"]] == [1, 2, 3, 4]
    assert all((images / image["file_name"]).is_file() for image in made["images"])
    assert [(one["id"], one["name"]) for one in made["categories"]] == list(enumerate(CLASSES, 1))
    for annotation in made["annotations"]:
        assert (annotation["bbox"], annotation["area"], annotation["iscrowd"]) == ([0, 0, 40, 30], 1200, 0)
        assert annotation["segmentation"] == []
    assert [(one["image_id"], one["category_id"], one["score"]) for one in made["annotations"]] == [
        (1, 2, 0.4),
        (2, 2, 0.6),
        (3, 3, 0.7),
        (4, 1, 0.9),
    ]
    assert made["annotations"][2]["attributes"] == {"status": "unfamiliar"}  # FiftyOne fails on "confidence"


def test_coco_sizes_are_those_of_the_upright_image(annotate: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "in" / "turned.jpg", exif=exif)
    made = load(
        annotate("coco", [("in/turned.jpg", (1.0, 0.0, 0.0), "")]).folder / "annotations/labels_predictions.json"
    )
    assert (made["images"][0]["width"], made["images"][0]["height"]) == (30, 40)


def read_fiftyone(folder: Path) -> list[tuple[str, Any]]:
    """As FiftyOne's `FiftyOneImageClassificationDatasetImporter` does: each image in its order, and its labels."""

    def parse(target: Any) -> Any:
        if isinstance(target, list):
            return [parse(one) for one in target]
        return target and (labels["classes"][target["label"]], target["confidence"], target["attributes"])

    files = {os.path.splitext(name)[0]: str(folder / path) for name, path in load(folder / "data.json").items()}  # noqa: PTH122
    labels = load(folder / "labels.json")
    return [(files[name], parse(labels["labels"][name])) for name in sorted(labels["labels"])]


def test_fiftyone_adds_the_images_in_the_order_of_review_with_confidence_and_status(
    annotate: Any, images: Path
) -> None:
    found = read_fiftyone(annotate("fiftyone", SAID).folder)
    assert [path for path, _ in found] == [str(images / name) for name in ORDER]
    assert found[0][1] == ("hund, groß", 0.4, {"status": "unsure"})
    assert found[-1][1] == ("cat", 0.9, {"status": "sure"})


def test_fiftyone_keeps_images_apart_that_differ_only_in_ending_or_folder(annotate: Any, tmp_path: Path) -> None:
    names = ["in/a.png", "in/a.jpg", "in/a", "in/1.2.840", "in/1.2.841", "in/b/a.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / name, format="PNG")
    found = read_fiftyone(annotate("fiftyone", [(name, (1.0, 0.0, 0.0), "") for name in names]).folder)
    assert sorted(path for path, _ in found) == sorted(str(tmp_path / name) for name in names)


def find_local_file(address: str, document_root: Path) -> Path:
    """As Label Studio's `localfiles_data` does: the file of an address."""
    parts = urlparse(address)
    assert parts.path == "/data/local-files/"
    below = posixpath.normpath(parse_qs(parts.query)["d"][0]).lstrip("/")
    path = Path(document_root, below)
    assert document_root in path.parents
    return path


def test_label_studio_shows_each_image_with_a_prediction_of_its_own_interface(annotate: Any, images: Path) -> None:
    folder = annotate("labelstudio", SAID).folder
    tasks, view = load(folder / "tasks.json"), ElementTree.parse(folder / "labeling-interface.xml").getroot()
    control, shown = view.find("Choices"), view.find("Image")
    assert control is not None
    assert shown is not None
    assert control.get("choice") == "single"
    assert [choice.get("value") for choice in control] == CLASSES
    fields = {str(tag.get("value")).removeprefix("$") for tag in view if str(tag.get("value")).startswith("$")}
    assert all(fields <= set(task["data"]) for task in tasks)
    files = [find_local_file(task["data"][str(shown.get("value"))[1:]], images.parent) for task in tasks]
    assert files == [images / name for name in ORDER]
    assert [task["data"]["status"] for task in tasks] == ["unsure", "unsure", "unfamiliar", "sure"]
    for task in tasks:
        (prediction,) = task["predictions"]
        assert (prediction["model_version"], prediction["score"]) == ("run", task["data"]["confidence"])
        (said,) = prediction["result"]
        assert (said["from_name"], said["to_name"]) == (control.get("name"), shown.get("name"))
        assert said["type"] == "choices"
        assert set(said["value"]["choices"]) <= set(CLASSES)


def test_label_studio_is_told_a_folder_below_the_one_that_it_may_show(annotate: Any, images: Path) -> None:
    words = (annotate("labelstudio", SAID).folder / "how-to-import.txt").read_text(encoding="utf-8")
    assert f"LOCAL_FILES_DOCUMENT_ROOT={images.parent} " in words
    assert f"Local files: {images}." in words


SEVERAL = [("in/a.png", (0.9, 0.8), "sure"), ("in/b.png", (0.1, 0.2), "unsure"), ("in/c.png", (0.1, 0.7), "sure")]


@pytest.fixture
def several(annotate: Any, two_labels: MultiLabel, write_photo: Callable[..., Path], tmp_path: Path) -> Any:
    for name, _, _ in SEVERAL:
        write_photo(tmp_path / name)
    return lambda name: annotate(name, SEVERAL, two_labels).folder


def test_several_labels_are_several_flags_in_labelme(several: Any) -> None:
    folder = several("labelme")
    assert read_labelme(folder / "a.json")[1] == {"round": True, "straight": True}
    assert read_labelme(folder / "b.json")[1] == {"round": False, "straight": False, "__unsure__": True}


def test_several_labels_are_several_boxes_in_coco(several: Any) -> None:
    made = load(several("coco") / "annotations" / "labels_predictions.json")
    names = {image["id"]: image["file_name"] for image in made["images"]}
    found = [(names[one["image_id"]], one["category_id"], one["score"]) for one in made["annotations"]]
    assert sorted(found) == [("a.png", 1, 0.9), ("a.png", 2, 0.8), ("c.png", 2, 0.7)]
    assert made["images"][0] == {**made["images"][0], "file_name": "b.png", "confidence": 0.8, "status": "unsure"}


def test_several_labels_are_a_list_in_fiftyone(several: Any) -> None:
    found = {Path(path).name: labels for path, labels in read_fiftyone(several("fiftyone"))}
    assert [label[:2] for label in found["a.png"]] == [("round", 0.9), ("straight", 0.8)]
    assert found["b.png"] == []


def test_several_labels_are_several_choices_in_label_studio(several: Any) -> None:
    folder = several("labelstudio")
    tasks = {task["data"]["file"]: task["predictions"][0] for task in load(folder / "tasks.json")}
    assert tasks["a.png"]["result"][0]["value"]["choices"] == ["round", "straight"]
    assert (tasks["b.png"]["result"], tasks["b.png"]["score"]) == ([], 0.8)
    assert 'choice="multiple"' in (folder / "labeling-interface.xml").read_text()


@pytest.mark.parametrize("name", TOOLS)
def test_an_unreadable_image_is_left_out_and_counted(annotate: Any, images: Path, name: str) -> None:
    made = annotate(name, [*SAID, ("in/broken.png", (), "")])
    assert [(notice.kind, notice.count) for notice in made.notices] == [("left-out", 1)]
    assert "the table says why" in made.notices[0].text
    assert not any("broken" in path.read_text(encoding="utf-8") for path in made.folder.rglob("*.json"))


@pytest.mark.parametrize("name", TOOLS)
def test_images_of_which_none_can_be_read_give_files_without_images(annotate: Any, tmp_path: Path, name: str) -> None:
    made = annotate(name, [("in/broken.png", (), "")])
    assert [notice.count for notice in made.notices] == [1]
    assert (made.folder / "how-to-import.txt").is_file()


def test_paths_are_below_the_folder_of_the_images_that_can_be_read(annotate: Any, images: Path) -> None:
    folder = annotate("coco", [*SAID, ("/elsewhere/missing.png", (), "")]).folder
    assert [one["file_name"] for one in load(folder / "annotations/labels_predictions.json")["images"]] == ORDER


@pytest.mark.parametrize("name", TOOLS)
def test_an_image_in_two_rows_is_annotated_once(annotate: Any, images: Path, name: str) -> None:
    once = annotate(name, SAID).folder
    before = {path.name: path.read_bytes() for path in once.rglob("*.json")}
    twice = annotate(name, [*SAID, SAID[0]]).folder
    assert {path.name: path.read_bytes() for path in twice.rglob("*.json")} == before


@pytest.mark.parametrize("name", TOOLS)
def test_a_prediction_left_empty_is_no_label(annotate: Any, images: Path, name: str) -> None:
    folder = annotate(name, SAID[:1], prediction="").folder
    if name == "labelme":
        assert not any(read_labelme(folder / "a.json")[1].values())
    elif name == "coco":
        made = load(folder / "annotations" / "labels_predictions.json")
        assert (len(made["images"]), made["annotations"]) == (1, [])
    elif name == "fiftyone":
        assert read_fiftyone(folder)[0][1] is None
    else:
        assert load(folder / "tasks.json")[0]["predictions"][0]["result"] == []


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("name", TOOLS)
def test_a_file_whose_name_is_no_text_is_still_found(annotate: Any, tmp_path: Path, name: str) -> None:
    file = os.fsdecode(b"in/\xff\xfe.png")
    (tmp_path / "in").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / file)
    folder = annotate(name, [(file, (1.0, 0.0, 0.0), "unsure")]).folder
    if name == "labelme":
        assert read_labelme(next(folder.glob("*.json")))[0].is_file()
    elif name == "coco":
        made = load(folder / "annotations" / "labels_predictions.json")
        assert (tmp_path / "in" / made["images"][0]["file_name"]).is_file()
    elif name == "fiftyone":
        assert Path(read_fiftyone(folder)[0][0]).is_file()
    else:
        assert "?d=in/%FF%FE.png" in load(folder / "tasks.json")[0]["data"]["image"]


@pytest.mark.parametrize("name", ["labelme", "fiftyone", "labelstudio"])
def test_images_of_a_kind_that_the_tool_does_not_show_are_said(annotate: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    for place in range(2):
        (tmp_path / "in" / f"{place}.dcm").write_bytes(b"")
    made = annotate(name, [(f"in/{place}.dcm", (1.0, 0.0, 0.0), "") for place in range(2)])
    assert [(one.kind, one.count, one.warns) for one in made.notices] == [("not-shown", 2, True)]
    assert ".dcm 2" in made.notices[0].text

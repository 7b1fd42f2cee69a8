from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import inspect
from sightx_cli.errors import RunError, UsageError
from sightx_cli.results.inspect import InspectResult


def draw(path: Path, seed: int, shape: str) -> None:
    """Write a picture of its own: a disk or a bar of one class over a ground of many sizes of blobs."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((120, 160, 3))
    for side in (5, 12, 30):
        layer = Image.fromarray(generator.integers(0, 255, (side, side, 3), dtype=np.uint8))
        picture += np.asarray(layer.resize((160, 120), Image.Resampling.BICUBIC), float) / 4
    yy, xx = np.mgrid[:120, :160]
    middle_x, middle_y = generator.integers(50, 110), generator.integers(40, 80)
    inside = (np.hypot(xx - middle_x, yy - middle_y) < 30) if shape == "disk" else (abs(yy - middle_y) < 10)
    picture[inside] = (230, 40, 40) if shape == "disk" else (40, 40, 230)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=92)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with one of each fault, 16 images of a class in train and 4 in valid."""
    root = tmp_path_factory.mktemp("data") / "faulty"
    for number, name in enumerate(("bar", "disk")):
        for place in range(20):
            part = "train" if place < 16 else "valid"
            draw(root / part / name / f"p{place // 2}_{place}.jpg", 100 * number + place, name)
    train, valid = root / "train", root / "valid"
    shutil.copy(train / "bar" / "p0_0.jpg", train / "bar" / "copy.jpg")
    shutil.copy(train / "bar" / "p0_1.jpg", train / "disk" / "conflict.jpg")
    with Image.open(train / "disk" / "p1_2.jpg") as image:
        image.crop((8, 6, 152, 114)).resize((110, 80)).save(valid / "disk" / "leak.jpg", quality=80)
    (train / "bar" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    return root


@pytest.fixture(scope="module")
def found(faulty: Path, tmp_path_factory: pytest.TempPathFactory) -> InspectResult:
    out = tmp_path_factory.mktemp("out")
    return inspect(faulty, out=out / "inspection", fix=out / "fix.csv")


def list_names(files: Any) -> list[str]:
    return ["/".join(Path(file).parts[-3:]) for file in files]


def test_copies_are_found_with_their_kind_and_labels(found: InspectResult) -> None:
    said = {tuple(list_names(one.files)): (one.kind, one.conflict) for one in found.duplicates}
    assert said == {
        ("train/bar/copy.jpg", "train/bar/p0_0.jpg"): ("bytes", False),
        ("train/bar/p0_1.jpg", "train/disk/conflict.jpg"): ("bytes", True),
        ("train/disk/p1_2.jpg", "valid/disk/leak.jpg"): ("near", False),
    }


def test_a_photograph_in_two_parts_is_a_leak(found: InspectResult) -> None:
    (leak,) = found.to_json()["leaks"]
    assert list_names(leak["files"]) == ["train/disk/p1_2.jpg", "valid/disk/leak.jpg"]
    assert leak["kind"] == "duplicate"


def test_what_cannot_be_read_is_named_and_not_counted(found: InspectResult) -> None:
    assert found.images == 43
    assert list_names(one.file for one in found.unreadable) == ["train/bar/broken.jpg"]


def test_the_answer_has_the_contract_of_json(found: InspectResult) -> None:
    answer = json.loads(json.dumps(found.to_json(), default=str))
    wanted = "images classes unreadable duplicates leaks outliers doubts shift recipe reason shortcuts seconds folder"
    assert set(wanted.split()) <= set(answer)
    assert answer["classes"] == ["bar", "disk"]
    assert {"score", "verdict"} <= set(answer["shift"])
    assert all(Path(file).is_absolute() for one in answer["duplicates"] for file in one["files"])


def test_the_folder_holds_fingerprint_findings_page_and_sheets(found: InspectResult) -> None:
    assert found.folder is not None
    names = {path.name for path in found.folder.iterdir()}
    assert {"fingerprint.json", "findings.json", "index.html", "conflicts.jpg", "leaks.jpg", "duplicates.jpg"} <= names
    assert json.loads((found.folder / "findings.json").read_text())["recipe"] == found.advice.recipe
    fingerprint = json.loads((found.folder / "fingerprint.json").read_text())
    assert fingerprint["images"] == 43
    assert fingerprint["aspect"] == {"min": 1.333, "median": 1.333, "max": 1.375}
    page = (found.folder / "index.html").read_text()
    assert "conflict.jpg" in page
    assert "http://" not in page  # it opens offline
    assert "https://" not in page
    with Image.open(found.folder / "leaks.jpg") as sheet:
        assert sheet.width > 300


def test_the_list_leaves_one_copy_and_the_valid_part_in(found: InspectResult) -> None:
    assert found.fix is not None
    with found.fix.open() as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    out = {image for image, row in rows.items() if row["action"] == "leave out"}
    assert out == {
        "train/bar/broken.jpg",
        "train/bar/p0_0.jpg",
        "train/bar/p0_1.jpg",
        "train/disk/conflict.jpg",
        "train/disk/p1_2.jpg",
    }
    assert "labelled bar and disk" in rows["train/disk/conflict.jpg"]["reason"]
    assert found.left_out == 5
    assert {row["action"] for row in rows.values()} <= {"leave out", "look"}


@pytest.mark.slow
def test_what_the_list_leaves_out_is_found_no_more(found: InspectResult, faulty: Path, tmp_path: Path) -> None:
    from sightx_cli.data.exclusions import exclude_images
    from sightx_cli.data.sources import load_manifest

    assert found.fix is not None
    kept = exclude_images(load_manifest(faulty), found.fix)
    assert kept.excluded == 5
    for path in kept.manifest.frame["path"]:
        copy = tmp_path / "mended" / Path(path).relative_to(faulty)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    again = inspect(tmp_path / "mended", out=tmp_path / "out")
    assert (again.duplicates, again.unreadable) == ((), ())
    assert again.left_out == 0


def test_groups_on_both_sides_are_leaks_where_they_are_named(faulty: Path, tmp_path: Path) -> None:
    result = inspect(faulty, group_by=r"_(\d)", out=tmp_path / "out")  # p8_16 and p0_1 begin with the same digit
    groups = [one for one in result.to_json()["leaks"] if one["kind"] == "group"]
    (said,) = (one for one in result.notices if one.kind == "matched-groups")
    assert said.text.startswith(r"--group-by '_(\d)': ")
    assert [one["group"] for one in groups] == ["1"]
    assert {"train", "valid"} == set(groups[0]["splits"])
    assert "groups" in [finding.kind for finding in result.findings]


def test_a_second_look_is_the_same_and_loads_no_torch(found: InspectResult, faulty: Path, tmp_path: Path) -> None:
    code = (
        "import sys, json; from sightx_cli import inspect; from pathlib import Path;"
        f"r = inspect({str(faulty)!r}, out=Path({str(tmp_path / 'again')!r})).to_json();"
        "print(json.dumps([r['duplicates'], r['doubts'], r['shift'], 'torch' in sys.modules]))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    first = found.to_json()
    assert json.loads(said) == [first["duplicates"], first["doubts"], first["shift"], False]


@pytest.mark.slow
def test_another_label_is_checked_again(faulty: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(faulty, changed)
    (changed / "train" / "bar" / "copy.jpg").rename(changed / "train" / "disk" / "copy.jpg")
    result = inspect(changed, out=tmp_path / "out")
    assert sum(one.conflict for one in result.duplicates) == 2


def test_only_the_shift_writes_no_file(
    faulty: Path, found: InspectResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = inspect(faulty, only="shift")
    assert result.advice.shift.verdict == found.advice.shift.verdict
    assert result.advice.recipe == found.advice.recipe
    assert result.folder is None
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_replaced(faulty: Path, tmp_path: Path) -> None:
    out, fix = tmp_path / "out", tmp_path / "fix.csv"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already"):
        inspect(faulty, out=out)
    with pytest.raises(RunError, match="not an inspection"):
        inspect(faulty, out=out, overwrite=True)
    fix.write_text("mine")
    with pytest.raises(RunError, match="--fix"):
        inspect(faulty, fix=fix)
    with pytest.raises(UsageError, match="--only size"):
        inspect(faulty, only="size")
    assert (out / "mine.txt").read_text() == "mine"
    assert fix.read_text() == "mine"


def test_an_inspection_with_a_file_of_the_users_in_it_is_not_replaced(faulty: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = inspect(faulty, out=out)
    assert {f"{one.kind}.jpg" for one in made.findings if one.rows} == {one.name for one in out.glob("*.jpg")}
    assert inspect(faulty, out=out, overwrite=True).images == made.images
    for name in ("notes.txt", "mine.jpg"):
        (out / name).write_text("mine")
        with pytest.raises(RunError, match=f"did not make there, {name}, so it is not overwritten"):
            inspect(faulty, out=out, overwrite=True)
        assert (out / name).read_text() == "mine"
        (out / name).unlink()


def test_one_class_and_few_images_are_no_error(photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    result = inspect(photo_folder(["cat"], 2), out=tmp_path / "out")
    assert (result.images, result.doubts, result.outliers) == (2, (), ())
    assert result.folder == tmp_path / "out"


@pytest.mark.parametrize("option", ["out", "fix"])
def test_a_place_that_cannot_be_written_is_refused_before_any_image_is_read(
    photo_folder: Callable[..., Path], option: str
) -> None:
    folder = photo_folder()
    for image in folder.rglob("*.jpg"):
        image.write_text("no image: it would be the error")
    (folder / "file").touch()
    with pytest.raises(UsageError, match=rf"--{option} .*cannot be written"):
        inspect(folder, **{option: folder / "file" / "new.csv"})

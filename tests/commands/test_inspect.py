from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["inspect", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def twice(photo_folder: Callable[..., Path]) -> Path:
    root = photo_folder(["cat", "dog"], 4)
    (root / "dog" / "copy.jpg").write_bytes((root / "cat" / "0.jpg").read_bytes())
    return root


def test_the_answer_is_one_json_object_alone(twice: Path, tmp_path: Path) -> None:
    status, out, _ = run(str(twice), "--json", "--out", str(tmp_path / "seen"), "--fix", str(tmp_path / "fix.csv"))
    answer = json.loads(out)
    assert status == 0
    assert answer["folder"] == str(tmp_path / "seen")
    assert [one["kind"] for one in answer["duplicates"]] == ["bytes"]
    assert answer["left_out"] == 2
    assert (tmp_path / "fix.csv").read_text().startswith("image,reason,action\n")


def test_people_are_told_what_was_found_and_what_to_type(twice: Path, tmp_path: Path) -> None:
    status, out, err = run(str(twice), "--out", str(tmp_path / "seen"), "--fix", str(tmp_path / "fix.csv"))
    assert status == 0
    assert "1 photograph with different labels" in out
    assert "cat/0.jpg (cat) = dog/copy.jpg (dog): the same file" in out
    assert f"sightx fit {twice} --exclude {tmp_path / 'fix.csv'}" in out
    assert str(tmp_path / "seen" / "index.html") in out
    assert f"sightx fit {twice} --exclude {tmp_path / 'fix.csv'}" in err


def test_the_images_to_leave_out_are_listed_in_the_inspection_and_named_in_the_next_command(
    twice: Path, tmp_path: Path
) -> None:
    status, _, err = run(str(twice), "--out", str(tmp_path / "seen"))
    assert status == 0
    assert f"sightx fit {twice} --exclude {tmp_path / 'seen' / 'leave-out.csv'}" in err
    assert (tmp_path / "seen" / "leave-out.csv").read_text().count("leave out") == 2


def test_what_a_fit_refuses_is_the_first_finding_and_no_fit_is_offered(
    photo_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = photo_folder(["cat"], 4)
    status, out, err = run(str(root), "--json", "--out", str(tmp_path / "seen"))
    first = json.loads((tmp_path / "seen" / "findings.json").read_text())
    assert status == 0
    assert "all 4 training images are of one class, 'cat'" in json.loads(out)["refused"]
    assert first["refused"] == json.loads(out)["refused"]
    status, out, err = run(str(root), "--out", str(tmp_path / "again"))
    assert "● a fit refuses these images" in out
    assert "sightx fit" not in err


def test_the_next_commands_say_where_a_tables_images_and_labels_stand(
    twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [path.relative_to(twice) for path in sorted(twice.rglob("*.jpg"))]
    rows = "".join(f"{name.with_suffix('')},{name.parent},x\n" for name in names)
    (tmp_path / "t.csv").write_text(f"scan,what it is,target\n{rows}")
    options = ["--image-column", "scan", "--label-column", "what it is", "--images", str(twice)]
    status, out, err = run("t.csv", *options, "--out", "seen")
    assert status == 0, err
    command = f"sightx fit t.csv --image-column scan --label-column 'what it is' --images {twice}"
    assert f"{command} --exclude seen/leave-out.csv" in out
    assert f"{command} --exclude seen/leave-out.csv" in err.replace(f"{tmp_path}/seen", "seen")
    assert "9 image names of t.csv completed" in err
    answer = json.loads((tmp_path / "seen" / "findings.json").read_text())
    assert "completed-names" in [one["kind"] for one in answer["notices"]]


def test_labels_in_the_names_of_the_files_are_inspected(twice: Path, tmp_path: Path) -> None:
    for path in sorted(twice.rglob("*.jpg")):
        path.rename(twice / f"{path.parent.name}_{path.name}")
    status, out, err = run(str(twice), "--label-by", "^[a-z]+", "--out", str(tmp_path / "seen"), "--json")
    assert status == 0, err
    assert json.loads(out)["class_counts"] == {"cat": 4, "dog": 5}
    status, out, err = run(str(twice), "--label-by", "(", "--out", str(tmp_path / "again"))
    assert (status, out) == (2, "")
    assert "is not a regular expression" in err


def test_only_the_shift_shows_the_recipe_and_why(twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(str(twice), "--only", "shift")
    assert status == 0
    assert "recipe" in out
    assert not (tmp_path / "inspections").exists()


def test_a_folder_that_exists_is_refused_before_any_work(twice: Path, tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    status, out, err = run(str(twice), "--out", str(tmp_path / "seen"))
    assert (status, out) == (2, "")
    assert "exists already" in err
    assert "--overwrite" in err


def test_what_a_fit_would_warn_of_is_said_and_nothing_is_called_faultless(
    write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    for part, label, images in (("train", "cat", 6), ("train", "dog", 6), ("valid", "dog", 3)):
        for place in range(images):
            seed = 100 * (part == "valid") + 50 * (label == "dog") + place
            write_photo(tmp_path / "laid" / part / label / f"{place}.jpg", seed=seed)
    status, out, err = run(str(tmp_path / "laid"), "--out", str(tmp_path / "seen"))
    assert status == 0
    assert "warning: valid has no image of cat, only of dog: its figures say nothing of it; --resplit splits" in err
    assert "no problems found" not in out

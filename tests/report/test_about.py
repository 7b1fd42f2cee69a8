"""`about.toml`: what the user says of a model, checked key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.errors import RecipeError, UsageError
from sightx_cli.report.about import list_said, load_about

EXAMPLE = Path(__file__).parents[2] / "docs" / "about.toml"


def test_the_example_in_the_docs_is_sound_and_says_everything() -> None:
    said = list_said(load_about(EXAMPLE))
    assert all(value for rows in said.values() for _, value in rows)


def test_what_is_not_said_is_none() -> None:
    assert {value for rows in list_said({}).values() for _, value in rows} == {None}


def test_every_fault_has_a_line_and_a_mistyped_key_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "about.toml"
    file.write_text('[purpose]\nintended_us = "x"\nuser = [1, 2]\npopulation = 1.5\n[image]\nsource = "y"\n')
    with pytest.raises(RecipeError, match="found 4 faults") as caught:
        load_about(file)
    assert len(caught.value.faults) == 4
    assert any('did you mean "purpose.intended_use"?' in line for line in caught.value.faults)
    assert any('did you mean "images"?' in line for line in caught.value.faults)


def test_a_single_unknown_key_is_named_in_the_message(tmp_path: Path) -> None:
    file = tmp_path / "about.toml"
    file.write_text('[labels]\nlabeler = "x"\n')
    with pytest.raises(RecipeError, match=r"labels\.labeler: found the unknown key"):
        load_about(file)


@pytest.mark.parametrize("content", [b"purpose = [", b"\xff\xfe\x00", b"[purpose\n"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "about.toml").write_bytes(content)
    with pytest.raises(UsageError, match="is not valid TOML"):
        load_about(tmp_path / "about.toml")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            load_about(path)


def test_a_list_is_joined_and_a_number_is_text(tmp_path: Path) -> None:
    file = tmp_path / "about.toml"
    file.write_text('[images]\nsites = ["North", "South"]\n[labels]\nlabellers_per_image = 2\n')
    said = list_said(load_about(file))
    assert ("sites", "North, South") in said["images"]
    assert ("labellers for each image", "2") in said["labels"]

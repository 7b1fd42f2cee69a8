"""The recipes from Python: listed, shown, decided, copied and checked, as on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightx_cli.api.recipes import (
    build_check_error,
    check_recipes,
    copy_recipe,
    decide_recipe,
    list_recipes,
    read_recipe,
    show_recipe,
)
from sightx_cli.errors import RecipeError


def test_the_recipes_of_the_table_and_the_reference_ones_are_listed_apart() -> None:
    table, reference = ({one.name for one in list_recipes(asked)} for asked in (False, True))
    assert "medical-medium" in table
    assert "sightx-dr" in reference
    assert not table & reference


def test_a_recipe_is_shown_as_it_stands_and_read_with_its_defaults() -> None:
    assert '= "medical-medium"\n' in show_recipe("medical-medium")
    read = read_recipe("medical-medium")
    assert Path(read["file"]).name == "medical-medium.toml"
    assert read["recipe"]["name"] == "medical-medium"


@pytest.mark.parametrize(("images", "recipe"), [(999, "natural-small"), (1_000, "natural-medium")])
def test_the_table_decides(images: int, recipe: str) -> None:
    assert decide_recipe(images, "similar").recipe == recipe


def test_a_copy_is_right_and_every_fault_of_a_wrong_one_is_found(tmp_path: Path) -> None:
    file = copy_recipe("medical-medium", tmp_path / "mine.toml")
    assert check_recipes([file]) == {file: ()}
    file.write_text(file.read_text().replace("[training]", "[trainnig]\n[training]"))
    checked = check_recipes([file, "medical-medium"])
    assert [len(faults) for faults in checked.values()] == [1, 0]
    error = build_check_error(checked)
    assert isinstance(error, RecipeError)
    assert "trainnig" in error.message

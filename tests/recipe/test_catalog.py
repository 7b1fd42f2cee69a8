"""Finding, checking and copying recipes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sightx_cli.errors import RecipeError, RunError
from sightx_cli.recipe.catalog import check_recipes, find_recipe, list_recipes
from sightx_cli.recipe.files import copy_recipe, find_folder, list_aliases, list_files, list_summaries
from sightx_cli.recipe.recipe import load_recipe


def test_a_shipped_recipe_is_found_by_its_name():
    recipe, path = find_recipe("medical-small")
    assert recipe.name == "medical-small"
    assert path == find_folder() / "medical-small.toml"


@pytest.mark.parametrize(("also", "name"), [("everyday-small", "natural-small"), ("distinct-huge", "medical-huge")])
def test_a_recipe_is_found_by_its_other_name_and_keeps_its_own(also, name):
    assert find_recipe(also)[0].name == name


def test_every_recipe_of_the_table_has_another_name_and_none_is_taken():
    aliases = list_aliases()
    assert sorted(aliases.values()) == sorted(one.name for one in list_recipes())
    assert not set(aliases) & set(list_files())
    assert {one.also for one in list_summaries()} == set(aliases)
    with pytest.raises(RecipeError) as caught:
        find_recipe("distinkt-small")
    assert 'did you mean "distinct-small"?' in caught.value.hint


def test_a_file_is_found_by_its_path(tmp_path):
    file = copy_recipe("natural-small", tmp_path / "mine.toml")
    assert find_recipe(file)[0].name == "mine"
    assert find_recipe(str(file))[1] == file.resolve()


def test_a_mistyped_name_is_refused_with_the_nearest_right_one():
    with pytest.raises(RecipeError, match="medical-medum") as caught:
        find_recipe("medical-medum")
    assert 'did you mean "medical-medium"?' in caught.value.hint


def test_a_missing_file_is_refused_as_a_file(tmp_path):
    with pytest.raises(RecipeError, match="found no such file"):
        find_recipe(tmp_path / "mine.toml")


def test_a_folder_is_refused_as_a_folder(tmp_path):
    with pytest.raises(RecipeError, match="found a folder"):
        find_recipe(tmp_path)


def test_the_quick_list_says_what_the_recipes_say():
    quick = [(one.name, one.summary, one.images, one.shift) for one in list_summaries()]
    assert quick == [(one.name, one.summary, one.when.images, one.when.shift) for one in list_recipes()]


def test_checking_goes_on_after_a_file_with_faults(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("name = 'bad'\n", encoding="utf-8")
    good = copy_recipe("natural-small", tmp_path / "good.toml")
    checked = check_recipes([bad, good, "medical-huge"])
    assert [bool(faults) for faults in checked.values()] == [True, False, False]


def test_a_copy_has_the_comments_and_the_name_of_its_file(tmp_path):
    file = copy_recipe("medical-small", tmp_path / "mein Rezept.toml")
    assert "small lesions are lost" in file.read_text(encoding="utf-8")
    assert load_recipe(file).name == "medical-small"  # a name cannot hold a space
    assert load_recipe(copy_recipe("medical-small", tmp_path / "größer.toml")).name == "größer"


def test_a_copy_replaces_nothing(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("precious", encoding="utf-8")
    with pytest.raises(RunError, match="exists already"):
        copy_recipe("medical-small", file)
    assert file.read_text(encoding="utf-8") == "precious"


def test_a_copy_into_a_folder_that_is_not_there_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        copy_recipe("medical-small", tmp_path / "nowhere" / "mine.toml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("from sightx_cli.recipe import decision, rates, profiles, files; files.list_summaries()", "pydantic"),
        ("from sightx_cli.recipe import catalog, overrides, plan; catalog.list_recipes()", "numpy"),
    ],
)
def test_the_quick_paths_do_not_import_what_is_heavy(code, heavy):
    lines = (
        f"import sys; {code}; sys.exit(any(name in sys.modules for name in ({heavy!r}, 'numpy', 'pandas', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", lines], check=False).returncode == 0

"""`sightx recipes`: what each command prints, and its JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sightx_cli.commands.completions import complete_names, complete_recipes
from sightx_cli.commands.recipes import app
from sightx_cli.errors import RecipeError, RunError, UsageError
from sightx_cli.recipe.decision import TABLE
from sightx_cli.recipe.files import find_folder

run = CliRunner().invoke


def answer(*arguments):
    """The one JSON object on stdout."""
    result = run(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments):
    """The error that a call ends with; the app's boundary turns it into a line and exit status 2."""
    return run(app, list(arguments)).exception


def test_list_names_every_recipe_for_people_and_programs():
    names = [cell.recipe for cell in TABLE]
    assert [one["name"] for one in answer("list")["recipes"]] == names
    assert all(name in run(app, ["list"]).stdout for name in names)


def test_list_shows_the_other_names_and_what_medical_stands_for():
    shown = run(app, ["list"]).stdout
    assert "everyday-small" in shown
    assert "distinct-huge" in shown
    assert "medical stands for all images unlike everyday photographs" in shown
    assert "distinct" not in run(app, ["list", "--reference"]).stdout


def test_a_recipe_is_shown_and_offered_by_its_other_name_too():
    assert answer("show", "distinct-small") == answer("show", "medical-small")
    assert [name for name, _ in complete_names("distinct-s")] == ["distinct-small"]


def test_list_reference_names_the_reference_recipes_and_the_plain_list_counts_them():
    names = [one["name"] for one in answer("list", "--reference")["recipes"]]
    assert {"sightx-dr", "resnet50-frozen", "mobilenetv2-partial"} <= set(names)
    assert all(name in run(app, ["list", "--reference"]).stdout for name in names)
    plain = run(app, ["list"])
    assert "sightx-dr" not in plain.stdout
    assert f"{len(names)} more" in plain.stderr


def test_a_reference_recipe_is_shown_copied_and_checked_by_its_name(tmp_path):
    file = tmp_path / "mine.toml"
    assert answer("show", "sightx-dr")["recipe"]["model"]["backbone"] == "resnet50"
    assert answer("copy", "sightx-dr", str(file))["file"] == str(file)
    assert run(app, ["check", "sightx-dr", str(file)]).stdout.count(": valid\n") == 2
    error = refused("show", "sightxdr")
    assert '"sightx-dr"' in error.message
    assert "sightx recipes show sightx-dr" in error.hint


def test_the_shell_is_offered_the_reference_recipes_too():
    assert [name for name, _ in complete_names("sightx")] == ["sightx-dr"]
    assert {"auto", "natural-small", "sightx-dr"} <= {name for name, _ in complete_recipes("")}


def test_list_gives_the_band_with_null_for_no_upper_end():
    bands = {one["name"]: one["images"] for one in answer("list")["recipes"]}
    assert bands["natural-small"] == [0, 1_000]
    assert bands["medical-huge"] == [500_000, None]


def test_show_prints_the_file_as_it_stands():
    text = (find_folder() / "medical-small.toml").read_text(encoding="utf-8")
    assert run(app, ["show", "medical-small"]).stdout.strip() == text.strip()


def test_show_gives_every_value_as_json_defaults_too():
    shown = answer("show", "medical-small")
    assert shown["recipe"]["image"]["size_px"] == 300
    assert shown["recipe"]["training"]["warmup_epochs"] == 0
    assert shown["file"] == str(find_folder() / "medical-small.toml")


def test_show_offers_the_nearest_name():
    error = refused("show", "medical-smal")
    assert isinstance(error, RecipeError)
    assert "medical-small" in error.hint


def test_decide_gives_recipe_strategy_and_reason():
    decided = answer("decide", "--images", "5000", "--shift", "different")
    assert decided["recipe"] == "medical-medium"
    assert "last 2-3 stages" in decided["strategy"]
    assert "5,000 images" in decided["reason"]


def test_decide_tells_people_the_same():
    printed = run(app, ["decide", "--images", "200", "--shift", "similar"]).stdout
    assert "natural-small" in printed
    assert "head only" in printed
    assert "200 images" in printed


def test_decide_refuses_no_images():
    assert isinstance(refused("decide", "--images", "0", "--shift", "similar"), UsageError)


@pytest.mark.parametrize(
    "arguments", [["--images", "5", "--shift", "near"], ["--images", "many", "--shift", "similar"]]
)
def test_decide_refuses_what_is_no_number_or_no_shift_as_wrong_usage(arguments):
    assert run(app, ["decide", *arguments]).exit_code == 2


def test_copy_writes_a_recipe_that_checks_right(tmp_path):
    file = tmp_path / "mine.toml"
    assert answer("copy", "medical-medium", str(file)) == {"recipe": "medical-medium", "file": str(file)}
    assert answer("check", str(file)) == {"files": [{"file": str(file), "valid": True, "faults": []}]}


def test_copy_refuses_a_file_that_is_there(tmp_path):
    file = tmp_path / "mine.toml"
    file.touch()
    assert isinstance(refused("copy", "medical-medium", str(file)), RunError)


@pytest.mark.parametrize("arguments", [["list"], ["decide", "--images", "9", "--shift", "similar"]])
def test_a_quick_command_imports_nothing_heavy(arguments):
    code = f"""
import sys
from sightx_cli.commands.completions import complete_names, complete_recipes
from sightx_cli.commands.recipes import app
app({arguments!r}, standalone_mode=False)
heavy = {{"numpy", "pandas", "sklearn", "torch", "fastai", "timm", "PIL"}} & set(sys.modules)
sys.exit(", ".join(heavy) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_check_says_which_files_are_right():
    assert run(app, ["check", "natural-small", "medical-huge"]).stdout.count(": valid\n") == 2


def test_check_reports_every_fault_of_every_file_and_fails(tmp_path):
    bad, worse = tmp_path / "bad.toml", tmp_path / "worse.toml"
    text = (find_folder() / "medical-small.toml").read_text(encoding="utf-8")
    bad.write_text(text.replace("size_px", "sizepx"), encoding="utf-8")
    worse.write_text(
        text.replace("epochs = 3", "epochs = 0", 1).replace("size_px = 300", "size_px = 3"), encoding="utf-8"
    )
    result = run(app, ["check", str(bad), "natural-small", str(worse), "--json"])
    assert isinstance(result.exception, RecipeError)
    assert len(result.exception.faults) == 3
    assert [one["valid"] for one in json.loads(result.stdout)["files"]] == [False, True, False]

"""Small images: found by their headers, enlarged less, one stage more, and the user's word wins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.readers import AS_IS
from sightx_cli.data.sources import load_manifest
from sightx_cli.progress import Recorder
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.settings import SIZE
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.small_images import DEEPER, find_small_images


def draw(folder: Path, sides: tuple[int, int], images: int = 12) -> Path:
    """Draw images of two classes of a width and height."""
    for number in range(images):
        pixels = np.random.default_rng(number).integers(0, 255, (sides[1], sides[0], 3), np.uint8)
        path = folder / ("light" if number % 2 else "dark") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.mark.parametrize(
    ("sides", "size_px"),
    [((32, 32), 160), ((28, 28), 160), ((90, 40), 224), ((51, 51), 256), ((52, 52), None), ((300, 200), None)],
)
def test_small_photographs_are_enlarged_five_times_at_most_in_steps_that_a_network_halves(
    tmp_path: Path, sides: tuple[int, int], size_px: int | None
) -> None:
    frame = load_manifest(str(draw(tmp_path, sides))).frame
    found = find_small_images(find_recipe("natural-medium")[0], frame, (), AS_IS)
    assert (None if found is None else found.size_px) == size_px


@pytest.mark.parametrize(
    ("recipe", "overridden"),
    [
        ("natural-medium", ("image.size_px",)),
        ("natural-medium", ("stage.1.epochs",)),
        ("natural-medium", ("stage",)),
        ("natural-small", ()),
        ("medical-medium", ()),
        ("natural-large", ()),
    ],
)
def test_what_the_user_set_stays_and_so_do_recipes_that_tune_no_last_stages_of_photographs(
    tmp_path: Path, recipe: str, overridden: tuple[str, ...]
) -> None:
    frame = load_manifest(str(draw(tmp_path, (32, 32)))).frame
    assert find_small_images(find_recipe(recipe)[0], frame, overridden, AS_IS) is None


def test_a_fit_that_chooses_its_recipe_trains_small_images_deeper_and_the_plan_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path, (32, 32), 60)
    monkeypatch.setattr("sightx_cli.quality.advice.count_images", lambda *_: 2_000, raising=False)
    monkeypatch.setattr("sightx_cli.steps.fit_plan.count_images", lambda *_: 2_000)
    heard = Recorder()
    preparation = prepare(Options(str(tmp_path), shift="similar"), heard)
    assert preparation.recipe.name == "natural-medium"
    assert preparation.recipe.image.size_px == 160
    assert [stage.train for stage in preparation.recipe.stage] == ["head", DEEPER]
    assert preparation.plan.recipe == preparation.recipe
    assert {preparation.plan.values[key].origin for key in (SIZE, "stage.1.train")} == {"data"}
    (notice,) = [one for one in heard.notices if one.kind == "small-images"]
    assert notice.text.startswith("the images have 32 px: enlarged 5 times, not 8.1")
    assert notice.text.endswith("undo both with --set image.size_px=260")
    (tmp_path / "dark" / "broken.png").write_bytes(b"no image")
    again = prepare(Options(str(tmp_path), shift="similar"), heard := Recorder())
    assert (again.recipe.image.size_px, again.recipe.stage[1].train) == (160, DEEPER)
    assert [one.kind for one in heard.notices].count("small-images") == 1
    named = prepare(Options(str(tmp_path), recipe="natural-medium"), Recorder())
    assert named.recipe.image.size_px == 260


def test_where_unreadable_files_leave_another_recipe_it_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path, (32, 32), 60)
    (tmp_path / "dark" / "broken.png").write_bytes(b"no image")
    monkeypatch.setattr("sightx_cli.steps.fit_plan.count_images", lambda splits: 2_000 if len(splits) > 60 else 60)
    preparation = prepare(Options(str(tmp_path), shift="similar"), heard := Recorder())
    assert preparation.recipe == find_recipe("natural-small")[0]
    assert "small-images" not in {one.kind for one in heard.notices}

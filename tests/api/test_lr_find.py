"""`find_lr` from Python: each stage by its name, a picture where it is wanted, nothing else left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from sightx_cli import find_lr
from sightx_cli.api.lr_find import choose_stage
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare

if TYPE_CHECKING:
    from sightx_cli.results.lr_find import LrFindResult

STAGES = 'stage=[{train="head",epochs=1,rate=1e-3,name="first"},{train="last:1",epochs=1,rate=1e-3}]'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def find(digits: Path, random_weights: Callable[[str], Path]) -> Callable[..., LrFindResult]:
    """Finds a rate for the digits with a small network."""

    def run(**how: Any) -> LrFindResult:
        small: dict[str, Any] = {"backbone": "test_resnet", "weights": random_weights("test_resnet"), "engine": "torch"}
        return find_lr(digits, recipe="natural-small", settings=("image.size_px=32", STAGES), **small, **how)

    return run


def test_without_out_the_picture_lies_under_runs_and_no_run_is_made(
    find: Callable[..., LrFindResult], home: Path
) -> None:
    result = find()
    assert [path.absolute() for path in (home / "runs").iterdir()] == [result.plot]
    with Image.open(result.plot) as image:
        image.load()


@pytest.mark.parametrize(
    ("given", "title"), [(None, "first"), ("first", "first"), ("0", "first"), ("last:1", "last:1"), ("1", "last:1")]
)
def test_a_stage_is_named_by_its_name_its_number_or_what_it_trains(digits: Path, given: str | None, title: str) -> None:
    preparation = prepare(Options(str(digits), "natural-small", settings=(STAGES,)), Silent())
    assert choose_stage(preparation.recipe, given).title == title


def test_a_later_stage_has_its_own_three_rates(find: Callable[..., LrFindResult]) -> None:
    result = find(stage="last:1")
    assert result.stage == "last:1"
    assert result.chosen in (result.suggestions["valley"], result.recipe_rate)
    assert set(result.suggestions) == {"valley", "steep", "minimum"}


def test_it_starts_from_the_head_that_a_fit_starts_from(find: Callable[..., LrFindResult]) -> None:
    heard = Recorder()
    result = find(listener=heard)
    assert result.losses[0] < 1.0  # a fresh head's is ln 3
    assert result.chosen == result.recipe_rate == 1e-3
    assert "recipe's rate is kept" in result.why


def test_another_stage_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"0 \(head\), 1 \("):
        choose_stage(find_recipe("medical-small")[0], "tail")


def test_a_rate_is_what_it_finds_and_not_what_it_takes(digits: Path, home: Path) -> None:
    with pytest.raises(UsageError, match="--rate"):
        find_lr(digits, recipe="natural-small", rate=1e-3)
    assert list(home.iterdir()) == []

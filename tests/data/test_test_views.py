"""The views that predictions are averaged over: exact symmetries first, and only changes that are allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.data.readers import AS_IS
from sightx_cli.data.test_views import count_distinct, list_symmetries, read_test_views
from sightx_cli.recipe.profiles import PROFILES, leave_out


def test_the_first_view_is_the_plain_one_and_the_second_its_mirror_image(
    write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    views, _ = read_test_views(write_photo(tmp_path / "a.png"), 32, "crop", PROFILES["natural"], 2, AS_IS)
    assert views.shape == (2, 32, 32, 3)
    assert np.array_equal(views[1], views[0][:, ::-1])


def test_views_are_the_same_every_time_and_differ_from_each_other(
    write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_photo(tmp_path / "a.png")
    first, again = (read_test_views(path, 32, "pad", PROFILES["natural"], 5, AS_IS)[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert len({view.tobytes() for view in first}) == 5


@pytest.mark.parametrize(("profile", "symmetries"), [("natural", 2), ("retina", 8), ("surface", 8), ("none", 1)])
def test_a_profile_has_as_many_symmetries_as_its_flips_and_turns_make(profile: str, symmetries: int) -> None:
    found = list_symmetries(PROFILES[profile])
    assert len(found) == len(set(found)) == symmetries
    assert found[0] == (0, False)


def test_a_change_that_is_off_is_in_no_view(write_photo: Callable[..., Path], tmp_path: Path) -> None:
    upright = leave_out(PROFILES["natural"], ["mirroring", "rotation", "zoom", "light"])
    assert count_distinct(upright) == 1
    only_mirrored = leave_out(PROFILES["natural"], ["rotation", "zoom", "light"])
    assert count_distinct(only_mirrored) == 2
    views, _ = read_test_views(write_photo(tmp_path / "a.png"), 32, "pad", only_mirrored, 6, AS_IS)
    assert len(views) == 2

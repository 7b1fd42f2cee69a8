"""A first look is at some of the images, and lets go on what is no worse there."""

from __future__ import annotations

import pytest

from sightx_cli.probe.first_look import FEWEST_FIRST, MOST_FIRST, FirstLook, count_first


@pytest.mark.parametrize(
    ("images", "first"), [(54, 0), (190, 0), (200, FEWEST_FIRST), (243, 97), (1_000, MOST_FIRST), (2, 0)]
)
def test_a_first_look_takes_a_share_of_the_images_where_that_is_enough_to_tell(images: int, first: int) -> None:
    assert count_first(images) == first


@pytest.mark.parametrize(
    ("behind", "goes_on"), [(-0.1, True), (-0.006, True), (-0.004, False), (0.0, False), (0.1, False)]
)
def test_what_is_ahead_beyond_chance_goes_on(behind: float, goes_on: bool) -> None:
    assert FirstLook(97, behind, 0.01).goes_on is goes_on


def test_what_goes_no_further_is_said_with_its_figure() -> None:
    assert FirstLook(97, 0.0142, 0.011).describe("320 px", "260 px") == (
        "320 px: log loss 0.014 ± 0.011 higher than with 260 px on 97 images, so measured on no more"
    )
    assert FirstLook(97, -0.0021, 0.011).describe("320 px", "260 px") == (
        "320 px: log loss 0.0021 ± 0.011 lower than with 260 px on 97 images, so measured on no more"
    )

"""Figures by site, sex or age: each value with its own, few images not ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from sightx_cli.errors import DataError
from sightx_cli.evaluation.subgroups import FEWEST_IMAGES, MOST_VALUES, NOT_GIVEN, measure_subgroups, read_values
from sightx_cli.progress import Recorder, Silent
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("a", "b"))


def build(sites: Sequence[str], right: Sequence[bool]) -> tuple[pd.DataFrame, np.ndarray]:
    """Images of class b at sites, each recognised or not."""
    count = len(sites)
    frame = pd.DataFrame(
        {
            "image": [f"{place}.png" for place in range(count)],
            "path": "",
            "label": ["b" if place % 2 else "a" for place in range(count)],
            "split": "",
            "group": "",
            "digest": [str(place) for place in range(count)],
            "site": list(sites),
        },
        dtype=str,
    )
    truth = np.arange(count) % 2
    answered = np.where(np.array(right), truth, 1 - truth)
    return frame, np.where(np.arange(2) == answered[:, None], 0.9, 0.1).astype(np.float32)


def test_each_site_has_its_own_figures_and_the_lowest_is_marked() -> None:
    sites = ["north"] * 40 + ["south"] * 40
    right = [True] * 36 + [False] * 4 + [True] * 28 + [False] * 12
    (found,) = measure_subgroups(TASK, *build(sites, right), ["site"], Silent())
    assert [(one.value, one.figures.images, one.figures.metrics["accuracy"]) for one in found.groups] == [
        ("north", 40, pytest.approx(0.9)),
        ("south", 40, pytest.approx(0.7)),
    ]
    assert [one.is_worst for one in found.groups] == [False, True]


@pytest.mark.parametrize(("images", "small"), [(FEWEST_IMAGES - 1, True), (FEWEST_IMAGES, False)])
def test_a_site_of_few_images_is_shown_but_not_ranked(images: int, small: bool) -> None:
    sites = ["large"] * 60 + ["few"] * images
    right = [True] * 60 + [False] * images
    (found,) = measure_subgroups(TASK, *build(sites, right), ["site"], Silent())
    few = next(one for one in found.groups if one.value == "few")
    assert (few.is_small, few.is_worst) == (small, not small)
    assert few.figures.intervals["accuracy"] is not None


def test_images_without_a_value_are_a_subgroup_of_their_own() -> None:
    frame, _ = build(["north", "", "south"], [True] * 3)
    assert read_values(frame, "site", Silent()) == ["north", NOT_GIVEN, "south"]


def test_values_that_differ_only_by_case_or_blanks_are_one_subgroup_and_that_is_said() -> None:
    sides, heard = ["Left", "left", "Left", "RIGHT", "right", "right ", ""] * 2, Recorder()
    (found,) = measure_subgroups(TASK, *build(sides, [True] * len(sides)), ["site"], heard)
    assert [(one.value, one.figures.images) for one in found.groups] == [("Left", 6), ("right", 6), (NOT_GIVEN, 2)]
    [said] = heard.warnings
    assert said.startswith(
        "--by site: names that differ only by case, blanks or Unicode form are read as one value: 'Left' (4) and "
        "'left' (2) as 'Left'; "
    )


def test_ages_are_read_in_quarters_named_by_what_they_hold() -> None:
    ages = [str(age) for age in range(20, 100)]
    frame, _ = build(ages, [True] * 80)
    assert Counter(read_values(frame, "site", Silent())) == {
        "20 to 39": 20,
        "40 to 59": 20,
        "60 to 79": 20,
        "80 to 99": 20,
    }


def test_few_numbers_are_values_and_no_bands() -> None:
    frame, _ = build(["1", "2", "2", "10"], [True] * 4)
    assert read_values(frame, "site", Silent()) == ["1", "2", "2", "10"]


def test_of_many_values_the_largest_are_measured_and_the_others_are_counted() -> None:
    sites = [f"site {place % (MOST_VALUES + 3)}" for place in range(3 * (MOST_VALUES + 3))]
    listener = Recorder()
    (found,) = measure_subgroups(TASK, *build(sites, [True] * len(sites)), ["site"], listener)
    assert len(found.groups) == MOST_VALUES
    assert "the other 3" in listener.warnings[0]


def test_a_column_that_is_none_is_refused_by_its_option() -> None:
    with pytest.raises(DataError, match="--by"):
        read_values(build(["north"], [True])[0], "hospital\\d+", Silent())


def test_dates_are_read_in_quarters_too() -> None:
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 11) for day in (5, 20)]
    frame, _ = build(days, [True] * 20)
    assert Counter(read_values(frame, "site", Silent())) == {
        "2024-01-05 to 2024-03-05": 5,
        "2024-03-20 to 2024-05-20": 5,
        "2024-06-05 to 2024-08-05": 5,
        "2024-08-20 to 2024-10-20": 5,
    }


def test_a_column_that_tells_images_apart_has_no_subgroups_and_that_is_said() -> None:
    names = [f"id {place}" for place in range(MOST_VALUES + 10)]
    listener = Recorder()
    (found,) = measure_subgroups(TASK, *build(names, [True] * len(names)), ["site"], listener)
    assert found.groups == ()
    assert "tells images apart" in listener.warnings[0]

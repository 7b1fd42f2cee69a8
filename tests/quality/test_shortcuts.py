from __future__ import annotations

import pytest

from sightx_cli.data.fingerprint import Header
from sightx_cli.quality.shortcuts import LEAST_IMAGES, find_shortcuts, measure_kinds, measure_threshold

USUAL: Header = (300, 200, "RGB", 8, "JPEG")


Sets = list[tuple[str, ...]]


def mix(others: list[Header], label: str = "sick") -> tuple[list[Header], Sets]:
    usual: list[Header] = [(300 + place % 7, 200, "RGB", 8, "JPEG") for place in range(60)]
    return [*usual, *others], [("a",), ("b",)] * 30 + [(label,)] * len(others)


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ((300, 200, "L", 8, "JPEG"), "mode"),
        ((300, 200, "RGB", 8, "PNG"), "format"),
        ((300, 200, "RGB", 16, "JPEG"), "bits"),
        ((600, 400, "RGB", 8, "JPEG"), "size"),
        ((200, 300, "RGB", 8, "JPEG"), "aspect"),
    ],
)
def test_a_class_that_its_form_gives_away_is_named(header: Header, what: str) -> None:
    found = find_shortcuts(*mix([header] * 20))
    assert [(one.label, one.what) for one in found if one.what == what] == [("sick", what)]
    assert all(one.label == "sick" for one in found)
    assert found[0].balanced_accuracy == 1.0


def test_classes_of_one_form_are_not_named() -> None:
    assert find_shortcuts(*mix([USUAL] * 20)) == []


def test_a_form_that_most_classes_share_in_part_is_none() -> None:
    headers = [USUAL if place % 2 else (300, 200, "L", 8, "PNG") for place in range(80)]
    assert find_shortcuts(headers, [("ab"[place // 40],) for place in range(80)]) == []


def test_of_two_classes_one_is_named() -> None:
    headers = [USUAL] * 20 + [(300, 200, "RGB", 8, "PNG")] * 20
    found = find_shortcuts(headers, [("a",)] * 20 + [("b",)] * 20)
    assert [(one.label, one.usual, one.others) for one in found] == [("a", "JPEG (100 %)", "PNG (100 %)")]


def test_each_of_several_labels_is_asked_whether_its_form_gives_it_away() -> None:
    headers = [(300, 200, "RGB", 8, "PNG" if place < 20 else "JPEG") for place in range(80)]
    sets: Sets = [("old", "bent") if place < 20 else ("bent",) if place % 2 else () for place in range(80)]
    assert [(one.label, one.what) for one in find_shortcuts(headers, sets)] == [("old", "format")]


@pytest.mark.parametrize(("images", "named"), [(LEAST_IMAGES - 1, False), (LEAST_IMAGES, True)])
def test_few_images_are_not_judged(images: int, named: bool) -> None:
    assert bool(find_shortcuts(*mix([(300, 200, "L", 8, "PNG")] * images))) is named


def test_the_share_is_that_of_the_best_rule() -> None:
    assert measure_kinds(["a", "a", "a", "b"], ["b", "b", "b", "b"]) == pytest.approx((0.75 + 1) / 2)
    assert measure_threshold([1, 2, 3, 4], [4, 5, 6, 7]) == pytest.approx((0.75 + 1) / 2)

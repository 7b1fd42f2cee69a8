"""Classes that a finished model never recognises are named, with what to type."""

from __future__ import annotations

from sightx_cli.metrics.class_report import ClassFigures
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.settings import WEIGHTS, change_setting
from sightx_cli.steps.recognition import describe_missed, find_missed

PLAIN = change_setting(find_recipe("natural-small")[0], WEIGHTS, "none")
WEIGHED = change_setting(PLAIN, WEIGHTS, "balanced")


def test_a_class_that_is_never_predicted_is_named_with_its_images_in_all_parts() -> None:
    valid = (ClassFigures("good", 1.0, 0.95, 20), ClassFigures("defect", 0.0, None, 1))
    test = (ClassFigures("good", 1.0, 0.67, 40), ClassFigures("defect", 0.0, None, 20))
    said = describe_missed(find_missed([valid, test]), PLAIN, 20.0)
    assert said is not None
    assert said.warns
    assert said.text.startswith("never recognised: defect (21 images); it is never even predicted")
    assert "--set training.class_weights=balanced" in said.text


def test_a_class_that_is_recognised_in_one_part_is_not_named() -> None:
    valid = (ClassFigures("defect", 0.0, None, 1),)
    test = (ClassFigures("defect", 0.2, 1.0, 20),)
    assert describe_missed(find_missed([valid, test]), PLAIN, 20.0) is None


def test_where_weights_are_balanced_already_more_images_are_asked_for() -> None:
    said = describe_missed(find_missed([(ClassFigures("1_mild", 0.0, 0.0, 5),)]), WEIGHED, 6.8)
    assert said is not None
    assert said.text.startswith("never recognised: 1_mild (5 images); every class counts the same already")
    assert "--set" not in said.text


def test_weights_are_not_advised_where_the_classes_are_of_one_size() -> None:
    said = describe_missed(find_missed([(ClassFigures("one", 0.0, None, 5),)]), PLAIN, 1.0)
    assert said is not None
    assert "--set" not in said.text
    assert "more training images" in said.text


def test_one_or_two_images_that_are_missed_are_chance_if_their_class_is_predicted_elsewhere() -> None:
    assert find_missed([(ClassFigures("rare", 0.0, 0.0, 2),)]) == []
    assert find_missed([(ClassFigures("absent", None, 0.0, 0),)]) == []
    assert len(find_missed([(ClassFigures("rare", 0.0, None, 2),)])) == 1


def test_many_classes_are_counted_after_the_first() -> None:
    missed = find_missed([[ClassFigures(f"c{number}", 0.0, None, number + 1) for number in range(9)]])
    said = describe_missed(missed, PLAIN, 20.0)
    assert said is not None
    assert said.count == 9
    assert "c8 (9 images), c7 (8 images)" in said.text
    assert "and 4 more; they are never even predicted" in said.text

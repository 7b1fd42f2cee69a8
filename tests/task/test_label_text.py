"""Labels joined as one text are counted by name."""

from __future__ import annotations

import pytest

from sightx_cli.task.label_text import count_names


@pytest.mark.parametrize("texts", [["a;b", "", "b", "a;b"], {"a;b": 2, "": 1, "b": 1}])
def test_the_images_of_each_label_are_counted_from_their_texts_and_from_counts_of_these(
    texts: list[str] | dict[str, int],
) -> None:
    assert list(count_names(texts, ";").items()) == [("a", 2), ("b", 3)]


def test_without_a_separator_a_text_is_one_label_and_none_is_one_too() -> None:
    assert count_names(["a;b", "", "a;b"], "") == {"a;b": 2, "": 1}

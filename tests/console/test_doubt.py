"""The end of a fit says what its temperature changed, and of how many images the model is unsure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sightx_cli.console.doubt import describe_abstention, describe_calibration
from sightx_cli.results.calibration import OUT_OF_FOLD, VALID, Abstention, Calibration

FOUND = Calibration(
    1.3, VALID, 150, {"loss": 0.2, "calibration_error": 0.05}, {"loss": 0.1, "calibration_error": 0.02}, True
)
TOLD = Abstention(0.95, VALID, 150, (), 8, 243, 600_000, 3)


def test_a_temperature_is_told_with_what_it_changed_and_on_which_images() -> None:
    said = describe_calibration(FOUND)
    for words in (
        "temperature 1.30",
        "150 validation images",
        "log loss 0.2000 before, 0.1000 after",
        "calibration error",
    ):
        assert words in said
    assert "not fitted on" in said
    assert "in the figures above it is of these same images" in said
    folds = describe_calibration(replace(FOUND, fitted_on=OUT_OF_FOLD, cross_fitted=False))
    assert "150 out-of-fold predictions" in folds
    assert "not fitted on" not in folds


def test_a_temperature_that_shows_no_gain_is_told_so() -> None:
    gains = describe_calibration(FOUND)
    shows_none = describe_calibration(replace(FOUND, after={"loss": 0.2012}))
    assert "no gain" not in gains
    assert shows_none.endswith("they show no gain, and it stays, which over many sets is the better choice")
    assert "no gain" not in describe_calibration(replace(FOUND, after={"loss": 0.2012}, cross_fitted=False))


def test_where_none_was_fitted_nothing_is_said() -> None:
    assert describe_calibration(replace(FOUND, fitted_on="")) == ""


@pytest.mark.parametrize(
    ("changes", "words", "lacks"),
    [
        ({}, ["8 unsure (at 95%)", "3 unfamiliar", "243 training images"], "xx"),
        ({"unfamiliar": None}, ["of 153 validation images predict calls 8 unsure (at 95%)"], "unfamiliar"),
        ({"level": None, "unsure": None}, ["predict calls 3 unfamiliar"], "unsure"),
    ],
)
def test_what_can_be_told_is_counted(changes: dict[str, object], words: list[str], lacks: str) -> None:
    said = describe_abstention(replace(TOLD, **changes), 153)  # type: ignore[arg-type]
    for word in words:
        assert word in said
    assert lacks not in said

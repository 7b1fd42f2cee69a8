"""The end of a probe: one star in each table, beside the figures that decide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sightx_cli.console import show_probe
from sightx_cli.results.probe import ProbedChoices, ProbeResult, Trial

TAPS = (
    Trial("model.head.taps", "last", "accuracy", 0.803, 0.012, 0.05, 0.0, 0.0, chosen=True),
    Trial("model.head.taps", "all", "accuracy", 0.816, 0.013, 0.05, 0.031, 0.012),
)
WEIGHTS = (
    Trial("training.class_weights", "balanced", "balanced_accuracy", 0.8, 0.06, 0.1, chosen=True),
    Trial("training.class_weights", "none", "balanced_accuracy", 0.7, 0.09, 0.1),
)


def build(*choices: Trial, skipped: tuple[str, ...] = (), dropped: tuple[str, ...] = ()) -> ProbeResult:
    probed = ProbedChoices("accuracy", 243, choices, {}, (), skipped, dropped, 10.0, 1.0)
    return ProbeResult("natural-small", probed, (), "", Path("/probe.png"), {"probe": 1.0, "total": 2.0})


def test_each_setting_has_a_table_of_its_own_with_one_star(capsys: pytest.CaptureFixture[str]) -> None:
    show_probe(build(*TAPS, *WEIGHTS))
    taps, weights = capsys.readouterr().out.split("(training.class_weights)")
    assert "which stages' features the head reads (model.head.taps)" in taps
    assert taps.count("★") == 1
    assert weights.partition("★ is taken")[0].count("★") == 1


def test_a_star_beside_the_lower_figure_is_explained_by_the_loss_that_decides(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_probe(build(*TAPS))
    found = capsys.readouterr().out
    assert re.search(r"value +accuracy +log loss above the lowest", found)
    assert re.search(r"last +0\.803 ± 0\.012 +lowest .*★", found)
    assert re.search(r"all +0\.816 ± 0\.013 +0\.031 ± 0\.012", found)
    assert "★ is taken" in found
    assert "log loss is not higher by more than one error of the difference" in found


def test_class_weights_are_not_judged_by_a_loss_that_they_change(capsys: pytest.CaptureFixture[str]) -> None:
    show_probe(build(*WEIGHTS))
    found = capsys.readouterr().out
    assert "log loss" not in found
    assert re.search(r"balanced +0\.800 ± 0\.060", found)


def test_what_was_not_tried_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_probe(build(skipped=("taps: the smallest class has 4 images",)))
    found = capsys.readouterr().out
    assert "not tried: taps: the smallest class has 4 images" in found
    assert "★" not in found


def test_what_was_measured_on_some_images_only_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_probe(build(*TAPS, dropped=("320 px: log loss 0.014 ± 0.011 higher than with 260 px on 97 images",)))
    assert "  320 px: log loss 0.014 ± 0.011 higher than with 260 px on 97 images" in capsys.readouterr().out

"""The closing words: the key figures, where the result lies, the curve."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sightx_cli.console import show_cache, show_fit, show_lr_find, show_predict
from sightx_cli.console.curve import draw_curve
from sightx_cli.console.numbers import format_bytes, format_count, format_figure, format_seconds
from sightx_cli.metrics.class_report import ClassFigures, ClassReport
from sightx_cli.metrics.fold_intervals import FoldFigures
from sightx_cli.results.cache import CacheEntry, CacheListing
from sightx_cli.results.fit import BestEpoch, FitResult, PartFigures, PrefixFacts
from sightx_cli.results.leaks import CopiesAcross, Leaks, PartLeak
from sightx_cli.results.lr_find import LrFindResult
from sightx_cli.results.predict import PredictResult

METRICS = {"accuracy": 0.95424, "balanced_accuracy": 0.95, "roc_auc": 0.99, "quadratic_kappa": None, "loss": 0.12}


INTERVALS = dict.fromkeys(METRICS, None) | {"accuracy": (0.909, 0.978)}


def build_part(**figures: float) -> PartFigures:
    return PartFigures(METRICS | figures, INTERVALS, 153, 153, ClassReport((), ()))


def build_fit(**changed: Any) -> FitResult:
    values: dict[str, Any] = {
        "run": Path("/runs/a"),
        "recipe": "natural-small",
        "reason": "named",
        "images": {"train": 243, "valid": 153},
        "task": "single-label",
        "classes": ("ants", "bees"),
        "valid": build_part(),
        "test": None,
        "selected_on": True,
        "seconds": {"total": 12.3},
        "prefix": PrefixFacts("none", None, "", False, 0),
        "best": BestEpoch("head", 1, "accuracy"),
    }
    return FitResult(**(values | changed))


def test_a_fit_ends_with_its_figures_and_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit())
    found = capsys.readouterr()
    assert "done in 12.3 s   natural-small, 243 images to train, 153 to validate, 2 classes" in found.out
    assert re.search(r"accuracy +0\.9542", found.out)
    assert "run   /runs/a" in found.out
    assert found.err == ""


def test_the_pictures_that_were_made_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    show_fit(build_fit(run=tmp_path))
    assert "drawn" not in capsys.readouterr().out
    (tmp_path / "training.png").touch()
    (tmp_path / "confusion.png").touch()
    show_fit(build_fit(run=tmp_path))
    shown = "drawn training.png (the course of training), confusion.png (what is taken for what)\nrun "
    assert shown in capsys.readouterr().out


def test_the_metric_that_chose_the_epoch_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(best=BestEpoch("head", 1, "balanced_accuracy")))
    found = capsys.readouterr().out
    assert found.index("balanced accuracy") < found.index("0.9542")


def test_that_always_answering_one_class_is_as_accurate_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    report = ClassReport((ClassFigures("good", 1.0, 0.95, 95), ClassFigures("defect", 0.0, None, 5)), ((95, 0), (5, 0)))
    part = replace(build_part(), report=report)
    show_fit(build_fit(valid=part, classes=("good", "defect")))
    found = capsys.readouterr().out
    assert "good makes up 95% of valid: always answering it is as accurate" in found
    assert re.search(r"defect +0\.000 \(0 of 5\) +never predicted", found)
    even = ClassReport((ClassFigures("a", 1.0, 1.0, 5), ClassFigures("b", 1.0, 1.0, 5)), ((5, 0), (0, 5)))
    show_fit(build_fit(valid=replace(build_part(), report=even)))
    assert "makes up" not in capsys.readouterr().out


def test_grades_are_named_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(task="grades", classes=("0", "1", "2")))
    assert "153 to validate, 3 grades in order" in capsys.readouterr().out


def test_a_figure_that_does_not_exist_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit())
    assert "kappa" not in capsys.readouterr().out


def test_intervals_stand_beside_their_figures(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit())
    assert re.search(r"accuracy +0\.9542 +0\.909 – 0\.978", capsys.readouterr().out)


def test_intervals_by_group_are_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(valid=replace(build_part(accuracy=0.9), intervals_by="groups")))
    assert "95 % interval by group" in capsys.readouterr().out
    show_fit(build_fit(valid=build_part(accuracy=0.9)))
    assert "by group" not in capsys.readouterr().out


def test_a_test_part_has_its_own_column(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(test=build_part(accuracy=0.5, loss=1.0)))
    found = capsys.readouterr().out
    assert re.search(r"valid +95 % interval +test", found)
    assert re.search(r"accuracy +0\.9542 +0\.909 – 0\.978 +0\.5000", found)


def test_a_flattered_figure_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(selected_on=False))
    assert "flattered" not in capsys.readouterr().out
    show_fit(build_fit(selected_on=True))
    assert "flattered" in capsys.readouterr().out


def test_unreadable_images_are_counted_and_the_first_named(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(unreadable=tuple(f"{number}.png: cut short" for number in range(9))))
    found = capsys.readouterr().out
    assert "9 unreadable images, left out" in found
    assert "4.png: cut short" in found
    assert "5.png" not in found


def test_cross_validated_figures_stand_apart_and_say_what_was_validated(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(cross_validation=FoldFigures(5, METRICS, INTERVALS | {"accuracy": (0.92, 0.97)}, {})))
    found = capsys.readouterr().out
    assert re.search(r"5-fold cross-validation, linear head on frozen features +mean", found)
    assert re.search(r"accuracy +0\.9542 +0\.920 – 0\.970", found)


def test_leaks_are_repeated_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(leaks=Leaks((PartLeak("valid", "train", 4, 661, 700, 900),))))
    assert "661 groups and 4 identical files on both sides of the split" in capsys.readouterr().out
    show_fit(build_fit(leaks=Leaks(copies=CopiesAcross(6, 100, ("a.png", "b.png"), 1.0))))
    assert "  6 re-saved copies on both sides of the split" in capsys.readouterr().out


def test_an_interrupted_fit_says_that_its_best_epoch_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(stopped="terminated"))
    assert "stopped by you after 12.3 s, best epoch kept" in capsys.readouterr().out


def test_a_fit_that_a_fault_ended_is_not_said_to_be_stopped_by_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    show_fit(build_fit(stopped="the memory of the GPU ran out while training"))
    assert "ended early after 12.3 s, best epoch kept" in capsys.readouterr().out


def test_the_finder_shows_a_curve_and_its_rates(capsys: pytest.CaptureFixture[str]) -> None:
    rates = tuple(10 ** (-6 + number / 20) for number in range(120))
    losses = tuple(1.0 - 0.5 * (number > 60) for number in range(120))
    suggestions = {"valley": 1e-3, "steep": 2e-3, "minimum": 0.01}
    why = "the valley: in the middle of the longest fall"
    show_lr_find(LrFindResult(rates, losses, suggestions, 5e-4, 1e-3, why, "head", Path("/a.png"), {"total": 1.0}))
    found = capsys.readouterr().out
    assert any(0x2800 < ord(letter) <= 0x28FF for letter in found)
    assert re.search(r"valley +1\.0e-03 +chosen", found)
    assert re.search(r"recipe +5\.0e-04\n", found)
    assert re.search(r"\^ recipe", found)
    assert why in found
    assert "/a.png" in found


@pytest.mark.parametrize(
    ("valley", "words"), [(1e-3, "the loss still falls at the end"), (None, "the loss does not fall")]
)
def test_a_rate_that_the_curve_does_not_have_is_not_made_up(
    capsys: pytest.CaptureFixture[str], valley: float | None, words: str
) -> None:
    suggestions = {"valley": valley, "steep": valley, "minimum": None}
    rates, losses = (1e-5, 1e-3, 1e-1), (1.0, 0.9, 0.8)
    show_lr_find(LrFindResult(rates, losses, suggestions, 5e-4, 5e-4, "kept", "head", Path("/a.png"), {"total": 1.0}))
    found = capsys.readouterr().out
    assert re.search(rf"minimum +– +{words}", found)
    assert re.search(r"recipe +5\.0e-04 +chosen", found)


def predicted(**changed: Any) -> PredictResult:
    """Build what predict found, but for what is changed."""
    usual: dict[str, Any] = {
        "images": 1000,
        "unreadable": 2,
        "output": Path("/p.csv"),
        "run": Path("/runs/a"),
        "seconds": {"total": 4.0},
        "images_per_second": 250.0,
        "counts": {"ants": 900, "bees": 98, "wasps": 0},
        "figure": ("accuracy", 0.94),
    }
    return PredictResult(**usual | changed)


def test_answers_that_were_complete_have_no_speed(capsys: pytest.CaptureFixture[str]) -> None:
    show_predict(predicted(images_per_second=0.0))
    found = capsys.readouterr().out
    assert "1,000 images in 4.0 s   all there already" in found
    assert "images/s" not in found


def test_predictions_end_with_counts_and_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_predict(predicted())
    found = capsys.readouterr().out
    assert "1,000 images in 4.0 s   250 images/s" in found
    assert re.search(r"ants +900 +━+\n", found)
    assert re.search(r"wasps +0 *\n", found)
    assert "2 unreadable images" in found
    assert "model /runs/a   accuracy 0.9400 on its validation images" in found
    assert "/p.csv" in found


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("ants", "bees"), "accuracy 0.9400 on its validation images by the likelier class, not by this threshold\n"),
        (("ants", "bees", "wasps"), "accuracy 0.9400 on its validation images\n"),
    ],
    ids=["two classes", "three"],
)
def test_a_figure_that_was_not_measured_by_the_stored_threshold_says_so(
    capsys: pytest.CaptureFixture[str], classes: tuple[str, ...], said: str
) -> None:
    decision = {"positive": ["ants"], "threshold": 0.071, "chosen": "sensitivity 0.95", "on": "out of fold"}
    show_predict(predicted(counts=dict.fromkeys(classes, 1), decision=decision))
    found = capsys.readouterr().out
    assert "decided ants from a probability of 0.071 on (sensitivity 0.95, out of fold)" in found
    assert said in found
    assert ("the counts above are of the likeliest class" in found) == (len(classes) > 2)


def test_the_cache_is_listed_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    entries = tuple(CacheEntry(f"{day}", 2_000_000, datetime(2026, 1, day), "scans") for day in (2, 1))
    show_cache(CacheListing(Path("/c"), entries, 20_000_000_000))
    found = capsys.readouterr().out
    assert found.index("2026-01-02") < found.index("2026-01-01")
    assert "4.0 MB of 20.0 GB   /c" in found


@pytest.mark.parametrize("width", [24, 40, 78, 200])
def test_a_curve_keeps_to_its_width(width: int) -> None:
    rates = [10 ** (-7 + number / 10) for number in range(80)]
    marks = {"valley": 1e-7, "steep": 1.1e-7, "minimum": rates[-1]}
    lines = draw_curve(rates, [number % 7 for number in range(80)], marks, width, 6, False)
    assert max(map(len, lines)) <= width
    assert {name for name in marks if any(name in line for line in lines)} == set(marks)


def test_a_curve_without_braille_is_drawn_in_ascii() -> None:
    assert "".join(draw_curve([1e-4, 1e-3, 1e-2], [1.0, 0.5, 2.0], {}, 60, 6, True)).isascii()


def test_a_loss_that_diverges_does_not_flatten_the_curve() -> None:
    lines = draw_curve([1e-4, 1e-3, 1e-2, 1e-1], [1.0, 0.5, 0.4, 1e6], {}, 60, 6, False)
    assert float(lines[0].split()[0]) < 2


@pytest.mark.parametrize("losses", [[float("nan")] * 3, [1.0, float("inf"), float("nan")]])
def test_a_curve_of_fewer_than_two_points_is_not_drawn(losses: list[float]) -> None:
    assert draw_curve([1e-4, 1e-3, 1e-2], losses, {}, 60, 6, False) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.084, "0.08 s"),
        (0.999, "1.0 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (2e12, "2.0 TB")]
)
def test_sizes_read_as_people_say_them(size: float, text: str) -> None:
    assert format_bytes(size) == text


def test_counts_and_figures_read_as_people_say_them() -> None:
    assert (format_count(1, "image"), format_count(2624, "image")) == ("1 image", "2,624 images")
    assert (format_figure(0.95424), format_figure(None), format_figure(float("nan")), format_figure(3)) == (
        "0.9542",
        "–",
        "–",
        "3",
    )

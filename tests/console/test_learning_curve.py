"""A learning curve at the terminal: its band is its scale, and it is drawn where there is room."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from sightx_cli.console.curve import draw_points
from sightx_cli.console.learning_curve import print_learning_curve
from sightx_cli.results.learning_curve import CurvePoint, LearningCurve

POINTS = tuple(CurvePoint(500 * place, place / 5, 0.9 + 0.001 * place, 0.85, 0.95) for place in range(1, 6))
CURVE = LearningCurve("accuracy", 3_125, POINTS, None, None, None, "unclear", None, "From 2,000 to 2,500 images …")


def show(curve: LearningCurve, width: int = 80) -> str:
    stream = StringIO()
    print_learning_curve(Console(file=stream, width=width, markup=False, highlight=False), curve)
    return stream.getvalue()


def test_chance_does_not_look_like_a_cliff(capsys: pytest.CaptureFixture[str]) -> None:
    shown = show(CURVE) + capsys.readouterr().out
    assert "0.95" in shown
    assert "0.85" in shown
    assert "2,500" in shown


def test_without_a_curve_there_is_the_sentence_alone(capsys: pytest.CaptureFixture[str]) -> None:
    shown = show(replace(CURVE, points=(), sentence="The training part has 12 images, too few.", picture=None))
    assert "12 images, too few" in shown
    assert "plot" not in shown
    assert "band" not in capsys.readouterr().out


def test_a_narrow_terminal_gets_no_curve() -> None:
    assert "images\n" not in show(CURVE, width=20)


def test_a_flat_line_of_two_points_is_drawn_in_ascii() -> None:
    lines = draw_points([(1.0, 0.5), (2.0, 0.5)], 0.4, 0.6, 40, 5, ascii_only=True)
    assert [line.count("*") > 20 for line in lines].count(True) == 1
    assert "".join(lines).isascii()

"""An audit on terminals of several widths, and its numbers as people read them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from sightx_cli.console import show_audit, show_comparison
from sightx_cli.console.numbers import format_large, format_shape, format_short_rate
from sightx_cli.results.audit import (
    AuditResult,
    BackboneComparison,
    BackboneFacts,
    NetworkCost,
    StageCost,
    TrainingAudit,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (64, "64"),
        (999, "999"),
        (1_000, "1.00 k"),
        (10_000_000, "10.0 M"),
        (300_774_272, "301 M"),
        (999_700, "1.00 M"),
        (4_089_184_256, "4.09 G"),
        (15_470_264_320, "15.5 G"),
        (2.5e12, "2,500 G"),
    ],
)
def test_large_numbers_have_three_digits(number: float, text: str) -> None:
    assert format_large(number) == text


@pytest.mark.parametrize(("rate", "text"), [(1e-3, "1e-3"), (2.25e-4, "2.25e-4"), (0.5, "5e-1"), (1.0, "1e0")])
def test_rates_are_written_as_typed(rate: float, text: str) -> None:
    assert format_short_rate(rate) == text


def test_a_map_has_its_sides_and_features_their_number() -> None:
    assert (format_shape((2048, 7, 7)), format_shape((100_352,))) == ("2048×7×7", "100,352")


def build_result() -> AuditResult:
    stages = (
        StageCost("denseblock1", 14_964_736, ((1024, 14, 14),), 10**9, 10**7),
        StageCost("head", 1_051_653, ((5,),), 10**6, 10**4),
    )
    training = TrainingAudit("last:1", 3, (14_000_000, 1_051_653), ((1e-6, 1e-5), (1e-3,)), 0, ((0, 15_051_653),))
    cost = NetworkCost(stages, (1, 3, 224, 224), (1, 5), 2048, True, "")
    return AuditResult("densenet121", "mine", None, 5, True, 224, cost, (training,), (), 1, None, None)


def draw(show: Any, result: Any, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal of this width shows."""
    page = io.StringIO()
    console = Console(file=page, width=width, force_terminal=True, color_system=None, highlight=False)
    for module in ("audit", "comparison"):
        monkeypatch.setattr(f"sightx_cli.console.{module}.open_console", lambda stderr: console)
    show(result)
    return page.getvalue()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (120, ("train", "rate", "share", "output", "mult-adds", "activations")),
        (90, ("train", "rate", "output", "mult-adds", "activations")),
        (80, ("train", "rate", "output", "mult-adds")),
        (64, ("train", "rate", "mult-adds")),
        (50, ("train", "rate")),
    ],
)
def test_a_narrow_terminal_goes_without_columns_and_never_cuts_a_number(
    width: int, columns: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = draw(show_audit, build_result(), width, monkeypatch)
    heads = next(line for line in page.splitlines() if "stage" in line).split()
    assert set(heads) == {"stage", "parameters", *columns}
    for number in ("denseblock1", "14,964,736", "14,000,000", "16,016,389", "1e-6", "1e-5"):
        assert number in page, number


def build_facts(name: str, parameters: int) -> BackboneFacts:
    return BackboneFacts(name, 224, parameters, 10**9, 1280, ("stem",), 10**6, "network", {"head": 2560})


@pytest.mark.parametrize(("width", "tables"), [(120, 1), (80, 2), (40, 7)])
def test_backbones_stand_in_as_many_tables_as_the_terminal_needs(
    width: int, tables: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"net{place}" for place in range(7)]
    result = BackboneComparison(1000, True, tuple(build_facts(name, 138_357_544) for name in names))
    page = draw(show_comparison, result, width, monkeypatch)
    assert sum("multiply-adds" in line for line in page.splitlines()) == tables
    assert page.count("138,357,544") == 7

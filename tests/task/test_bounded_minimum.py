"""The minimum between two bounds is SciPy's, to the last digit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from sightx_cli.task.bounded_minimum import find_minimum


@given(st.floats(-4, 4), st.floats(0.01, 100), st.floats(0, 3), st.floats(-3, 0), st.floats(0.1, 6))
def test_it_is_scipys_whatever_the_function(middle: float, scale: float, wave: float, low: float, width: float) -> None:
    def measure(x: float) -> float:
        return scale * (x - middle) ** 2 + wave * math.sin(5 * x) + abs(x - middle)

    expected = minimize_scalar(measure, bounds=(low, low + width), method="bounded").x
    assert find_minimum(measure, low, low + width) == expected


@pytest.mark.parametrize("edge", [-2.0, 3.0])
def test_a_minimum_at_a_bound_is_found(edge: float) -> None:
    assert find_minimum(lambda x: abs(x - edge), -2.0, 3.0) == pytest.approx(edge, abs=2e-5)


def test_a_function_that_is_flat_ends() -> None:
    assert -2.0 < find_minimum(lambda _: 1.0, -2.0, 3.0) < 3.0

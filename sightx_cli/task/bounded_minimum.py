"""The minimum of a function of one number between two bounds.

Brent 1973, "Algorithms for Minimization without Derivatives", chapter 5: a parabola through the three best points, or a
golden section where that goes astray. SciPy's `minimize_scalar(method="bounded")` gives the same to the last digit, and
`scipy.optimize` takes a sixth of a second to import.
"""

from __future__ import annotations

import math
from collections.abc import Callable

GOLDEN = 0.5 * (3.0 - math.sqrt(5.0))
RELATIVE = math.sqrt(2.2e-16)
"""Closer, relative to a point, a function's values no longer tell two points apart."""
MOST_STEPS = 500


def find_minimum(measure: Callable[[float], float], low: float, high: float, tolerance: float = 1e-5) -> float:
    """Return where between `low` and `high` a function is least, to within a tolerance."""
    best = second = third = low + GOLDEN * (high - low)
    of_best = of_second = of_third = measure(best)
    step = before = 0.0
    for _ in range(MOST_STEPS - 1):
        middle = 0.5 * (low + high)
        least = RELATIVE * abs(best) + tolerance / 3.0
        if abs(best - middle) <= 2.0 * least - 0.5 * (high - low):
            break
        is_parabolic = False
        if abs(before) > least:
            r = (best - second) * (of_best - of_third)
            q = (best - third) * (of_best - of_second)
            p = (best - third) * q - (best - second) * r
            q = 2.0 * (q - r)
            p, q = -p if q > 0.0 else p, abs(q)
            r, before = before, step
            is_parabolic = abs(p) < abs(0.5 * q * r) and q * (low - best) < p < q * (high - best)
            if is_parabolic:
                step = p / q
                if best + step - low < 2.0 * least or high - (best + step) < 2.0 * least:
                    step = math.copysign(least, middle - best + 0.0)
        if not is_parabolic:
            before = low - best if best >= middle else high - best
            step = GOLDEN * before
        tried = best + math.copysign(max(abs(step), least), step + 0.0)
        of_tried = measure(tried)
        if of_tried <= of_best:
            low, high = (best, high) if tried >= best else (low, best)
            third, of_third, second, of_second, best, of_best = second, of_second, best, of_best, tried, of_tried
        else:
            low, high = (tried, high) if tried < best else (low, tried)
            if of_tried <= of_second or second == best:
                third, of_third, second, of_second = second, of_second, tried, of_tried
            elif of_tried <= of_third or third in (best, second):
                third, of_third = tried, of_tried
    return best

"""A sequence of values that come again and again is a list to its reader, and keeps each value once."""

from __future__ import annotations

import numpy as np

from sightx_cli.data.repeated_values import RepeatedValues

VALUES = RepeatedValues([("RGB", 8), ("L", 16)], np.array([0, 0, 1, 0], np.int32))


def test_rows_are_given_in_their_order_one_object_for_all_rows_of_a_value() -> None:
    assert list(VALUES) == [("RGB", 8), ("RGB", 8), ("L", 16), ("RGB", 8)]
    assert VALUES[0] is VALUES[-1]
    assert len(VALUES) == 4


def test_some_rows_are_a_sequence_again() -> None:
    assert list(VALUES[1:3]) == [("RGB", 8), ("L", 16)]
    assert list(VALUES[4:]) == []

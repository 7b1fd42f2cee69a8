"""A sequence whose values are few and come again and again, as the sizes of a million images do: each is kept once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value")


class RepeatedValues(Sequence[Value]):
    """Distinct values, and for each row the number of its own, (N,): four bytes a row."""

    def __init__(self, distinct: Sequence[Value], numbers: NDArray[np.int32]) -> None:
        self._distinct, self._numbers = distinct, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Value: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Value]: ...

    def __getitem__(self, place: int | slice) -> Value | Sequence[Value]:
        """Return the value of a row, or those of some."""
        if isinstance(place, slice):
            return RepeatedValues(self._distinct, self._numbers[place])
        return self._distinct[int(self._numbers[place])]

    def __iter__(self) -> Iterator[Value]:
        """Yield the value of each row."""
        return map(self._distinct.__getitem__, self._numbers)

"""Columns of text for millions of rows: their values as one Python object each, and the rows that share one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED = 200_000
"""Up to so many images every value is looked at; of more, measures on samples draw from so many."""

PART_ROWS = 100_000


def list_texts(column: pd.Series[str]) -> list[str]:
    """Return a column's values, (N,), one object for all rows of a value: a million labels take 8 MB and not 60."""
    import pandas as pd

    codes, values = pd.factorize(column, use_na_sentinel=False)
    texts = np.array([*values], dtype=object)
    return texts[codes].tolist()  # type: ignore[no-any-return]


def count_texts(column: pd.Series[str]) -> dict[str, int]:
    """Count the rows of each value, in the order in which they come."""
    return {str(text): int(rows) for text, rows in column.value_counts(sort=False).items()}


def build_column(texts: Iterable[str], index: pd.Index[Any]) -> pd.Series[str]:
    """Build a column of as many texts as the index has rows, without all of them as objects at once."""
    import pandas as pd

    left = iter(texts)
    parts = [pd.Series(part, dtype=str) for part in iter(lambda: list(islice(left, PART_ROWS)), [])]
    return pd.concat(parts, ignore_index=True).set_axis(index) if parts else pd.Series([], dtype=str, index=index)


def list_some(column: pd.Series[str], most: int = MOST_LISTED) -> list[str]:
    """Return all values of a column, or of a longer one `most` that are evenly spread: enough to sample from."""
    step = -(-len(column) // most)
    return [str(text) for text in (column.iloc[::step] if step > 1 else column)]


def number_texts(texts: Sequence[str] | pd.Series[str]) -> NDArray[np.int32]:
    """Number the values in the order in which they come, (N,); −1 for ""."""
    import pandas as pd

    codes, values = pd.factorize(texts if isinstance(texts, pd.Series) else np.array(texts, dtype=object))
    numbers = codes.astype(np.int32)
    del codes
    for empty in np.flatnonzero(values == ""):
        numbers[numbers == empty] = -1
    return numbers


def list_repeated(texts: Sequence[str] | pd.Series[str]) -> Iterator[list[int]]:
    """Yield the places of each value that two rows or more have, as the values come; "" is none."""
    numbers = number_texts(texts)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = numbers[1:] != numbers[:-1]
    starts = np.flatnonzero(is_first)
    ends = np.append(starts, len(order))[1:]
    repeated = (ends - starts > 1) & (numbers[starts] >= 0)
    del numbers  # the caller may take its time between the values
    for start, end in zip(starts[repeated].tolist(), ends[repeated].tolist(), strict=True):
        yield order[start:end].tolist()

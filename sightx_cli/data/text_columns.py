"""Columns of text for millions of rows: their values as one Python object each, and the rows that share one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.column_file import PART_ROWS, release_columns

if TYPE_CHECKING:
    import pandas as pd

BUCKETS = 16
"""Of more rows than the next, the different values are told apart in so many steps: a sixteenth of them at a time."""

MOST_LISTED = 200_000
"""Up to so many images every value is looked at; of more, measures on samples draw from so many."""


def list_texts(column: pd.Series[str]) -> list[str]:
    """Return a column's values, (N,), one object for all rows of a value: a million labels take 8 MB and not 60."""
    import pandas as pd

    codes, values = pd.factorize(column, use_na_sentinel=False)
    release_columns(and_free=True)
    texts = np.array([*values], dtype=object)
    return texts[codes].tolist()  # type: ignore[no-any-return]


def count_texts(column: pd.Series[str], is_counted: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """Count the rows of each value, in the order in which they come; where `is_counted` (N,) is given, of its rows."""
    import pandas as pd

    if is_counted is None:
        counts = column.value_counts(sort=False)
        release_columns(and_free=True)
        return {str(text): int(rows) for text, rows in counts.items()}
    codes, values = pd.factorize(column, use_na_sentinel=False)
    release_columns(and_free=True)
    rows_of = np.bincount(codes[is_counted], minlength=len(values))
    return {str(text): int(rows) for text, rows in zip(values, rows_of, strict=True) if rows}


def find_rows(column: pd.Series[str], texts: Collection[str]) -> NDArray[np.bool_]:
    """Whether each row of a column has one of some values, (N,)."""
    import pandas as pd

    codes, values = pd.factorize(column, use_na_sentinel=False)
    release_columns(and_free=True)
    return np.isin(np.array([*values], dtype=object), [*texts])[codes]


def find_trained(parts: pd.Series[str]) -> NDArray[np.bool_]:
    """Whether each row (N,) is of no valid or test part that is given: what may be learned from, and looked at."""
    return ~find_rows(parts, ("valid", "test"))


def list_some(column: pd.Series[str], most: int = MOST_LISTED, is_listed: NDArray[np.bool_] | None = None) -> list[str]:
    """Return all values of a column, or of a longer one `most` that are evenly spread: enough to sample from.

    Where `is_listed` (N,) is given, only those of its rows.
    """
    rows = np.arange(len(column)) if is_listed is None else np.flatnonzero(is_listed)
    step = max(1, -(-len(rows) // most))
    return [str(text) for text in column.iloc[rows[::step]]]


def number_texts(texts: Sequence[str] | pd.Series[str]) -> NDArray[np.int32]:
    """Number the values in the order in which they come, (N,); −1 for ""."""
    import pandas as pd

    if isinstance(texts, pd.Series) and len(texts) > MOST_LISTED:
        numbers, empty = _number_in_buckets(texts)
    else:
        codes, values = pd.factorize(texts if isinstance(texts, pd.Series) else np.array(texts, dtype=object))
        numbers, empty = codes.astype(np.int32), int(next(iter(np.flatnonzero(values == "")), -1))
        release_columns(and_free=True)
    numbers[numbers == empty] = -1
    return numbers


def _number_in_buckets(texts: pd.Series[str]) -> tuple[NDArray[np.int32], int]:
    """Number values a bucket at a time, so that of a million different ones some are held at once; also that of ""."""
    import pandas as pd

    buckets = [
        pd.util.hash_array(part.to_numpy(dtype=object), categorize=False).astype(np.uint8) % BUCKETS
        for part in _cut(texts, np.arange(len(texts), dtype=np.int32))
    ]
    bucket_of = np.concatenate(buckets)
    numbers, firsts, count, empty = np.empty(len(texts), np.int32), list[NDArray[np.int32]](), 0, -1
    for bucket in range(BUCKETS):
        places = np.flatnonzero(bucket_of == bucket).astype(np.int32)
        if not len(places):
            continue
        found, values = pd.factorize(pd.concat(list(_cut(texts, places))))
        codes = found.astype(np.int32)
        del found
        numbers[places] = codes + np.int32(count)
        empty = next((count + int(code) for code in np.flatnonzero(values == "")), empty)
        firsts.append(places[np.diff(np.maximum.accumulate(codes), prepend=-1) > 0])  # they count up as they come
        count += len(values)
    rank = np.empty(count, np.int32)
    rank[np.argsort(np.concatenate(firsts))] = np.arange(count, dtype=np.int32)
    return rank[numbers], int(rank[empty]) if empty >= 0 else -1


def _cut(texts: pd.Series[str], places: NDArray[np.int32]) -> Iterator[pd.Series[str]]:
    """Yield what a column has at ascending places, from PART_ROWS of its rows at a time."""
    for start in range(0, len(texts), PART_ROWS):
        first, last = np.searchsorted(places, (start, start + PART_ROWS))
        yield texts.iloc[start : start + PART_ROWS].iloc[places[first:last] - start]
        release_columns()


def list_repeated(texts: Sequence[str] | pd.Series[str]) -> Iterator[list[int]]:
    """Yield the places of each value that two rows or more have, as the values come; "" is none."""
    numbers = number_texts(texts)
    order = np.argsort(numbers, kind="stable").astype(np.int32)
    numbers = numbers[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = numbers[1:] != numbers[:-1]
    starts = np.flatnonzero(is_first)
    ends = np.append(starts, len(order))[1:]
    repeated = (ends - starts > 1) & (numbers[starts] >= 0)
    del numbers  # the caller may take its time between the values
    for start, end in zip(starts[repeated].tolist(), ends[repeated].tolist(), strict=True):
        yield order[start:end].tolist()

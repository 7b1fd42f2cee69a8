"""What pydicom remarks while it reads: kept for a notice, since one line for each file would bury everything else.

pydicom says each of its warnings to its logger too, in the thread that reads: unlike Python's warning filters, that can
be listened to from several threads at the same time.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_HEARD = threading.local()

_VALUES = re.compile(r"(?P<tag>\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\))|'[^']*'|\"[^\"]*\"|\d[\d.]*(?<!\.)")
"""What a remark quotes of a file, and the numbers of tags, which stay."""


class _Listening(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        heard = getattr(_HEARD, "lines", None)
        if heard is not None and record.levelno == logging.WARNING:
            heard.append(shorten_remark(record.getMessage()))


def shorten_remark(text: str) -> str:
    """Return a remark's first line without values: they may be a person's, and one remark shall be one notice."""
    line = text.strip().splitlines()[0] if text.strip() else "something"
    return _VALUES.sub(lambda found: found["tag"] or "…", line)


@functools.cache
def _listen() -> None:
    logging.getLogger("pydicom").addHandler(_Listening(logging.WARNING))


@contextmanager
def hearing_remarks() -> Iterator[list[str]]:
    """Give a list that fills with what pydicom remarks in this thread until the end of the block."""
    _listen()
    before = getattr(_HEARD, "lines", None)
    lines: list[str] = []
    _HEARD.lines = lines
    try:
        yield lines
    finally:
        _HEARD.lines = before

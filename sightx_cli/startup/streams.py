"""The process's three streams, whatever became of them: closed at the start, or left by their reader midway."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress

READER_GONE = 141
"""The exit status where stdout was left by its reader, as shells have it: 128 and the number of SIGPIPE."""
GONE = {errno.EPIPE, errno.EIO, errno.ESHUTDOWN, errno.ECONNRESET}
"""What a write says when its reader has gone: a pipe, a terminal, a socket."""


class PatientFile(io.FileIO):
    """A stream that swallows what nobody reads: hours of training must not end because `| head` or a terminal did."""

    is_gone = False

    def write(self, data: object, /) -> int:
        """Write bytes; returns how many. Once the reader has gone, all count as written."""
        if not self.is_gone:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                # What cannot be said on stderr is never worth the work; stdout may be a file on a full disk.
                if error.errno not in GONE and self.fileno() != 2:
                    raise
                self.is_gone = True
        return memoryview(data).nbytes  # type: ignore[arg-type]


def settle_streams() -> None:
    """Make stdin, stdout and stderr safe to use: those that are closed lead nowhere, and no reader is needed.

    A closed descriptor is filled, else the next file opened would get its number, and what is printed. A file name
    need not be text: what is not is printed as an escape.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):  # taken: by what was opened since the start
                os.fstat(number)
                continue
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    for name in ("stdout", "stderr"):
        _replace_file(name)


def _replace_file(name: str) -> None:
    stream = getattr(sys, name)
    raw = _find_raw(name)
    if type(raw) is not io.FileIO:  # Windows' console, or a stream of another program
        return
    stream.flush()
    file = PatientFile(raw.fileno(), "w", closefd=False)
    patient = io.TextIOWrapper(
        file if stream.buffer is raw else io.BufferedWriter(file),  # PYTHONUNBUFFERED is set
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    setattr(sys, name, patient)


def has_reader_gone() -> bool:
    """Tell whether somebody who read stdout stopped before all was written."""
    return getattr(_find_raw("stdout"), "is_gone", False)


def _find_raw(name: str) -> object:
    buffer = getattr(getattr(sys, name), "buffer", None)
    return getattr(buffer, "raw", buffer)

"""Decodes by GDCM in a process of its own: a damaged file that ends it costs that file, and not the fit."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.dicom.failures import DicomError, explain_missing

CHILD = Path(__file__).with_name("gdcm_child.py")
SECONDS = 120
"""The longest that one frame may take: the largest take two seconds, and a damaged one may never end."""


class GdcmProcess:
    """One process that decodes frames, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # GDCM's libraries print what they make of damaged data
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def decode(self, frame: bytes, transfer_syntax: str, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
        """Decode one frame. Raises ValueError, with GDCM's words, where it cannot, and OSError where that ended it."""
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        try:
            return self._ask(frame, transfer_syntax, options)
        finally:
            timer.cancel()

    def _ask(self, frame: bytes, transfer_syntax: str, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
        sent, got = self._process.stdin, self._process.stdout
        assert sent is not None
        assert got is not None
        said = {"transfer_syntax": transfer_syntax, "options": options, "bytes": len(frame)}
        sent.write(json.dumps(said, default=str).encode() + b"\n")
        sent.write(frame)
        sent.flush()
        head = got.readline()
        if not head:
            raise OSError("the decoder ended")
        answer = json.loads(head)
        if "error" in answer:
            raise ValueError(answer["error"])
        pixels = got.read(answer["bytes"])
        if len(pixels) < answer["bytes"]:
            raise OSError("the decoder ended")
        return np.frombuffer(pixels, answer["dtype"]).reshape(answer["shape"]), answer["photometric"]

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # it has ended already, with something unsent
                    pipe.close()
        self._process.kill()
        self._process.wait()


class _Pool:
    """Processes that wait for work: as many as threads have decoded at the same time."""

    def __init__(self) -> None:
        self._idle: list[GdcmProcess] = []
        self._lock = threading.Lock()
        atexit.register(self.close)

    def take(self) -> GdcmProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return GdcmProcess()

    def give_back(self, process: GdcmProcess) -> None:
        with self._lock:
            self._idle.append(process)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()


_POOL = _Pool()


def decode_apart(frame: bytes, transfer_syntax: str, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
    """Decode a frame in another process; returns its values and their photometric interpretation.

    Raises: `DicomError` for a damaged frame, and where GDCM is not installed.
    """
    if importlib.util.find_spec("gdcm") is None:
        raise explain_missing("lossless or 12-bit JPEG")
    for attempt in range(2):  # a process that waited may have been ended by something else, such as lack of memory
        process = _POOL.take()
        try:
            found = process.decode(frame, transfer_syntax, options)
        except ValueError as error:
            _POOL.give_back(process)
            raise DicomError(f"is a damaged DICOM file: {error}") from error
        except OSError as error:
            process.close()
            if attempt:
                raise DicomError("is a damaged DICOM file: its compressed data end the decoder") from error
        except BaseException:
            process.close()
            raise
        else:
            _POOL.give_back(process)
            return found
    raise AssertionError("the second attempt returns or raises")

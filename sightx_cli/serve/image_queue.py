"""Images wait here for the model, and those that arrive together go through it together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sightx_cli.serve.refusals import build_busy

Answered = TypeVar("Answered")
_KEPT_OF_RATE = 0.9
"""Of the measured seconds an image, how much the next batch leaves: the rate follows within some ten batches."""


@dataclass(frozen=True)
class _Waiting(Generic[Answered]):
    data: bytes
    future: Future[Answered] = field(default_factory=Future)


class ImageQueue(Generic[Answered]):
    """A bounded queue before one thread, which takes what waits, up to a batch, and answers it.

    Batches form by themselves while the model is busy; it waits for more, `batch_seconds` at most, only where
    `is_more_coming` says that another request is being received.
    """

    def __init__(
        self,
        predict: Callable[[list[bytes]], Sequence[Answered]],
        *,
        limit: int,
        batch: int,
        batch_seconds: float = 0.0,
        is_more_coming: Callable[[], bool] = lambda: False,
        name: str = "images",
    ) -> None:
        self._predict, self._is_more_coming = predict, is_more_coming
        self._limit, self._batch, self._batch_seconds = limit, batch, batch_seconds
        self._waiting: deque[_Waiting[Answered]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._seconds_an_image = 0.05
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, images: Sequence[bytes]) -> list[Future[Answered]]:
        """Add images, all or none; raises a `Refusal` where they do not fit."""
        added = [_Waiting[Answered](data) for data in images]
        with self._changed:
            if self._is_closed or len(self._waiting) + len(added) > self._limit:
                raise build_busy(len(self._waiting) * self._seconds_an_image)
            self._waiting.extend(added)
            self._changed.notify()
        return [one.future for one in added]

    def __len__(self) -> int:
        return len(self._waiting)

    def measure_wait(self) -> float:
        """Estimate the seconds until what waits now is answered."""
        return len(self._waiting) * self._seconds_an_image

    def close(self) -> None:
        """Take no more, answer what waits, and end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while taken := self._take():
            began = time.perf_counter()
            going = [one for one in taken if one.future.set_running_or_notify_cancel()]
            try:
                answers = self._predict([one.data for one in going]) if going else ()
            except Exception as error:
                for one in going:
                    one.future.set_exception(error)
            else:
                for one, answer in zip(going, answers, strict=True):
                    one.future.set_result(answer)
            if going:
                took = (time.perf_counter() - began) / len(going)
                self._seconds_an_image = _KEPT_OF_RATE * self._seconds_an_image + (1 - _KEPT_OF_RATE) * took

    def _take(self) -> list[_Waiting[Answered]]:
        """Wait for images and take up to a batch of them; none when the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            until = time.perf_counter() + self._batch_seconds
            while len(self._waiting) < self._batch and not self._is_closed and self._is_more_coming():
                left = until - time.perf_counter()
                if left <= 0 or not self._changed.wait(left):
                    break
            return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

"""The clock that both sides use: seconds and images of each epoch's training part, without its validation."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.core import Callback


class EpochClock(Callback):
    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self.tell = tell

    def before_fit(self) -> None:
        self.seconds: list[float] = []
        self.images: list[int] = []
        self.ended_at: list[float] = []

    def before_train(self) -> None:
        self.images.append(0)
        self.began = time.perf_counter()

    def after_batch(self) -> None:
        if self.training:
            self.images[-1] += len(self.yb[0])

    def after_train(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # the last steps are under way
        self.seconds.append(time.perf_counter() - self.began)
        self.ended_at.append(time.time())
        self.tell(f"epoch {len(self.seconds)}: {self.images[-1]} images in {self.seconds[-1]:.2f} s")

    def figures(self) -> dict[str, Any]:
        """Give the median rate of the epochs after the first, which warms up."""
        rates = [images / seconds for images, seconds in zip(self.images, self.seconds, strict=True)]
        return {
            "images": self.images[-1],
            "epoch_seconds": [round(seconds, 2) for seconds in self.seconds],
            "images_per_second": round(statistics.median(rates[1:] or rates), 1),
        }

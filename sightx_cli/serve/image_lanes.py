"""Ordinary images and very large ones wait in two queues, so that a scan of 40 megapixels holds nobody up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from sightx_cli.data.readers import ImageFileError, measure_header
from sightx_cli.results.answer import Answer
from sightx_cli.serve.heatmap_drawer import NAMELESS
from sightx_cli.serve.image_queue import ImageQueue
from sightx_cli.serve.limits import Limits
from sightx_cli.startup.allocator import return_free_memory


def measure_pixels(data: bytes) -> int:
    """Measure how many pixels an image has, from its header; 0 where it has none that can be read."""
    try:
        header = measure_header(NAMELESS, data)
    except (ImageFileError, OSError):
        return 0
    return int(header[0] * header[1])


def refuse(pixels: int, most: int) -> Future[Answer]:
    """Answer an image that is too large to be read here."""
    refused: Future[Answer] = Future()
    refused.set_result(
        Answer(None, None, {}, error=f"has {pixels:,} pixels; at most {most:,} are answered here: make it smaller")
    )
    return refused


class ImageLanes:
    """Puts each image in the queue for its size."""

    def __init__(
        self,
        predict: Callable[[list[bytes]], Sequence[Answer]],
        limits: Limits,
        is_more_coming: Callable[[], bool],
    ) -> None:
        self._large_pixels, self._most_pixels = limits.large_pixels, limits.image_pixels
        self._ordinary = ImageQueue(
            predict,
            limit=limits.waiting_images,
            batch=limits.batch,
            batch_seconds=limits.batch_seconds,
            is_more_coming=is_more_coming,
        )

        def predict_large(images: list[bytes]) -> Sequence[Answer]:
            try:
                return predict(images)
            finally:
                return_free_memory()

        self._large = ImageQueue(predict_large, limit=limits.waiting_images, batch=1, name="large images")

    def put(self, images: Sequence[bytes]) -> list[Future[Answer]]:
        """Add images, all or none, and return their answers to come; raises a `Refusal` where they do not fit.

        One with more pixels than are answered here has its error at once, and is never decoded.
        """
        pixels = [measure_pixels(data) for data in images]
        sized = list(zip(images, pixels, strict=True))
        is_large = [count >= self._large_pixels for count in pixels]
        large = iter(self._large.put([data for data, n in sized if self._large_pixels <= n <= self._most_pixels]))
        try:
            rest = iter(self._ordinary.put([data for data, n in sized if n < self._large_pixels]))
        except Exception:
            for future in large:
                future.cancel()
            raise
        return [
            refuse(count, self._most_pixels) if count > self._most_pixels else next(large if one else rest)
            for count, one in zip(pixels, is_large, strict=True)
        ]

    def count_waiting(self) -> int:
        """Count the images that wait."""
        return len(self._ordinary) + len(self._large)

    def measure_wait(self) -> float:
        """Estimate the seconds until what waits now is answered."""
        return self._ordinary.measure_wait() + self._large.measure_wait()

    def close(self) -> None:
        """Answer what waits, and take no more."""
        self._ordinary.close()
        self._large.close()

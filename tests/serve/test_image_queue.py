"""Images wait in a bounded queue, and go through the model together."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sightx_cli.serve.image_queue import ImageQueue
from sightx_cli.serve.refusals import Refusal


class Worker:
    """Answers each image with its length; waits at the door where it is told to, and notes its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.door = threading.Event()
        self.began = threading.Event()

    def answer(self, images: list[bytes]) -> list[int]:
        self.batches.append(len(images))
        self.began.set()
        self.door.wait(10)
        if b"bad" in images:
            raise ValueError("bad")
        return [len(image) for image in images]


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.door.set()


def test_what_waits_while_the_model_is_busy_goes_through_it_together(worker: Worker) -> None:
    queue = ImageQueue(worker.answer, limit=9, batch=3)
    first = queue.put([b"x"])
    worker.began.wait(10)
    rest = [future for _ in range(4) for future in queue.put([b"xx"])]
    worker.door.set()
    assert [future.result(10) for future in (*first, *rest)] == [1, 2, 2, 2, 2]
    assert worker.batches == [1, 3, 1]
    queue.close()


def test_images_of_a_request_are_taken_all_or_none(worker: Worker) -> None:
    queue = ImageQueue(worker.answer, limit=3, batch=3)
    first = queue.put([b"x"])
    worker.began.wait(10)
    queue.put([b"x", b"x"])
    with pytest.raises(Refusal) as refused:
        queue.put([b"x", b"x"])
    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1
    last = queue.put([b"xxx"])
    worker.door.set()
    assert [first[0].result(10), last[0].result(10)] == [1, 3]
    queue.close()


def test_an_error_is_told_to_those_of_its_batch_and_the_queue_goes_on(worker: Worker) -> None:
    worker.door.set()
    queue = ImageQueue(worker.answer, limit=3, batch=1)
    with pytest.raises(ValueError, match="bad"):
        queue.put([b"bad"])[0].result(10)
    assert queue.put([b"x"])[0].result(10) == 1
    queue.close()


def test_closing_answers_what_waits_and_takes_no_more(worker: Worker) -> None:
    queue = ImageQueue(worker.answer, limit=3, batch=1)
    waiting = queue.put([b"x", b"xx"])
    worker.door.set()
    queue.close()
    assert [future.result(0) for future in waiting] == [1, 2]
    with pytest.raises(Refusal):
        queue.put([b"x"])


def test_an_image_that_nobody_waits_for_any_more_is_left_out(worker: Worker) -> None:
    queue = ImageQueue(worker.answer, limit=3, batch=1)
    queue.put([b"x"])
    worker.began.wait(10)
    gone, kept = queue.put([b"x", b"xx"])
    gone.cancel()
    worker.door.set()
    assert kept.result(10) == 2
    assert worker.batches == [1, 1]
    queue.close()


def test_the_model_waits_a_moment_for_an_image_that_is_being_received(worker: Worker) -> None:
    worker.door.set()
    queue = ImageQueue(worker.answer, limit=3, batch=2, batch_seconds=10, is_more_coming=lambda: True)
    first = queue.put([b"x"])
    second = queue.put([b"xx"])  # a full batch ends the wait
    assert [first[0].result(5), second[0].result(5)] == [1, 2]
    assert worker.batches == [2]
    queue.close()

"""A trained model that answers in memory: no files, nothing printed, any number of threads at the same time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from PIL import Image

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.predictor import NOT_FINITE, Prediction, Predictor
from sightx_cli.bundle.table import DECISION, STATUS, TableColumns, build_answer, plan_columns
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.data.readers import Given
from sightx_cli.engine.openvino_forward import OpenVinoForward
from sightx_cli.errors import DataError, UsageError
from sightx_cli.results.answer import Answer

Picture = str | Path | Given
"""An image: its path, the bytes of its file, a Pillow image, or an array (H, W), (H, W, 1), (H, W, 3), (H, W, 4)."""
AnyPicture = TypeVar("AnyPicture", bound=Picture)
ALONE = "image"
"""What an image without a name is called in errors."""
CONFIDENCE = "confidence"


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A loaded model. It may be asked from several threads at the same time: each call has what it computes in."""

    run: Path
    predictor: Predictor
    """Answers one image, all threads at work on it."""
    _building: threading.Lock = field(default_factory=threading.Lock)

    @property
    def facts(self) -> BundleFacts:
        """All that is known of the model beside its weights."""
        return self.predictor.facts

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.facts.task.classes

    @property
    def task(self) -> str:
        """What the labels are, by the name in `bundle.json`: of one label, grades in order, or several labels."""
        return self.facts.task.kind

    @property
    def size_px(self) -> int:
        """The side of the square that every image is fitted into."""
        return self.facts.size_px

    @cached_property
    def _columns(self) -> TableColumns:
        return plan_columns(self.facts.task, (), self.facts.decision)

    @cached_property
    def _many(self) -> Predictor:
        """What answers lists, each thread at work on an image of its own: on two cores 1.4 × as many a second.

        It takes a tenth of a second to build, so not before there is a list.
        """
        forward = self.predictor.forward
        return (
            replace(self.predictor, forward=forward.spread())
            if isinstance(forward, OpenVinoForward)
            else self.predictor
        )

    def __repr__(self) -> str:
        """Say what it is, in a line."""
        return f"Model({str(self.run)!r}: {self.facts.backbone}, {self.size_px} px, {self.facts.task.describe()})"

    @overload
    def predict(self, image: Picture) -> Answer: ...

    @overload
    def predict(self, image: list[AnyPicture] | tuple[AnyPicture, ...]) -> list[Answer]: ...

    def predict(self, image: Picture | list[AnyPicture] | tuple[AnyPicture, ...]) -> Answer | list[Answer]:
        """Say what an image shows, or each of a list, in its order.

        Images are read as in training: turned upright by their EXIF, deep values scaled by the range of the training
        images, transparency laid over white. Arrays are RGB, uint8 or uint16, channels last. An unreadable image of a
        list has its answer, with the reason in `error`; one alone raises it.

        Raises `DataError` for one image that cannot be read, `UsageError` for what is no image at all.
        """
        began = time.perf_counter()
        if not isinstance(image, (list, tuple)):
            prediction = self.predictor.predict_one(*_name_item(image, ALONE))
            if prediction.error == NOT_FINITE:
                raise DataError(f"{prediction.image}: {NOT_FINITE}")
            if prediction.error:
                raise DataError(prediction.error, prediction.hint)
            return self._build(prediction, began)
        items = [_name_item(one, f"images[{place}]") for place, one in enumerate(image)]
        return [self._build(prediction, began) for prediction in self.ask(items)]

    def ask(self, items: Sequence[tuple[str, Picture]]) -> Iterator[Prediction]:
        """Predict images by their names, in order, each as soon as it is done: what answers and tables are made of."""
        if len(items) == 1:
            yield self.predictor.predict_one(*items[0])
        elif items:
            with self._building:
                many = self._many
            yield from many.predict(items)

    def _build(self, prediction: Prediction, began: float) -> Answer:
        row = build_answer(prediction, self._columns)
        task = self.facts.task
        tally = PixelTally(self.facts.reading)
        if prediction.found is not None:
            tally.add(prediction.image, prediction.found)
        shares = prediction.probabilities
        return Answer(
            prediction=None if shares is None else row[task.columns[0]],
            confidence=row.get(CONFIDENCE),
            probabilities={} if shares is None else dict(zip(task.classes, map(float, shares), strict=True)),
            status=row[STATUS],
            decision=row.get(DECISION, ""),
            error=row["error"],
            seconds=time.perf_counter() - began,
            notes=tuple(notice.text for notice in tally.list_notices(can_change=False)),
        )


def _name_item(image: object, unnamed: str) -> tuple[str, Picture]:
    """Return what an image is called, and what is read. Raises UsageError for what is no image."""
    if isinstance(image, (str, os.PathLike)):
        return str(image), Path(image)
    if isinstance(image, (bytearray, memoryview)):
        return unnamed, bytes(image)
    if isinstance(image, (bytes, Image.Image, np.ndarray)):
        return unnamed, image
    raise UsageError(
        f"{unnamed}: is of the type {type(image).__name__}; allowed: a path, the bytes of a file, a Pillow image, a "
        "NumPy array, or a list of them",
        "an open file is given as file.read(), a tensor as tensor.numpy()",
    )

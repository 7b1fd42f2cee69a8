"""Heatmaps of the page: drawn in a thread of their own, for which torch is loaded when the first one is asked for."""

from __future__ import annotations

import threading
from base64 import b64encode
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import holding_pixels, read_image
from sightx_cli.serve.refusals import Refusal, build_busy

if TYPE_CHECKING:
    from sightx_cli.bundle.explainer import Explainer
    from sightx_cli.results.answer import Answer

SECONDS_EACH = 2.0
"""What a heatmap takes about, to say when to come back."""
NAMELESS = "image"
"""What a picture is called in words that are drawn into it, or said of it: names that clients send are not kept."""


@dataclass(frozen=True)
class DrawnHeatmap:
    """A heatmap as the page shows it."""

    class_name: str
    png: bytes
    words: tuple[str, ...]
    """What the reader must know of it; in the sheet they are drawn into the picture."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON has it, the picture in base 64."""
        return {"class": self.class_name, "picture": b64encode(self.png).decode(), "words": list(self.words)}


class HeatmapDrawer:
    """Draws heatmaps one after the other."""

    def __init__(self, run: Path, facts: BundleFacts, limit: int) -> None:
        self._run, self._facts, self._limit = run, facts, limit
        self._thread = ThreadPoolExecutor(1, "heatmaps")
        self._explainer: Explainer | None = None
        self._waiting, self._lock = 0, threading.Lock()

    @staticmethod
    def find_obstacle() -> str:
        """Say why no heatmap can be drawn here; "" where one can."""
        return "" if find_spec("torch") else "heatmaps need the package torch, which is not installed here"

    def draw(self, data: bytes, answer: Answer, class_name: str | None, is_sheet: bool) -> Future[DrawnHeatmap]:
        """Draw what speaks for a class in an image, by default the likeliest of those it is given.

        With `is_sheet` the image, the map and the words are one picture, as `sightx explain` draws it; else the map
        alone. Raises `Refusal` where too many wait, torch is missing, or the model has no such class.
        """
        if obstacle := self.find_obstacle():
            raise Refusal(501, obstacle)
        if class_name is not None and class_name not in self._facts.task.classes:
            raise Refusal(400, "the model knows no class of that name")
        with self._lock:
            if self._waiting >= self._limit:
                raise build_busy(self._waiting * SECONDS_EACH)
            self._waiting += 1
        future = self._thread.submit(self._draw, data, answer, class_name or self._choose_class(answer), is_sheet)
        future.add_done_callback(lambda _: self._leave())
        return future

    def close(self) -> None:
        """Draw no more, and wait for the one that is being drawn."""
        self._thread.shutdown(cancel_futures=True)

    def _leave(self) -> None:
        with self._lock:
            self._waiting -= 1

    def _choose_class(self, answer: Answer) -> str:
        given = self._facts.task.split_prediction(answer.prediction) if answer.prediction else ()
        return max(given or answer.probabilities, key=answer.probabilities.__getitem__)

    def _draw(self, data: bytes, answer: Answer, class_name: str, is_sheet: bool) -> DrawnHeatmap:
        from sightx_cli.report.heatmap_picture import (
            PANEL_PX,
            colour_map,
            describe_answer,
            draw_heatmap,
            fit_panel,
            list_words,
        )

        if self._explainer is None:
            from sightx_cli.bundle.explainer import load_explainer

            self._explainer = load_explainer(self._run)
        facts = self._facts
        pixels, _ = read_plain_view(NAMELESS, facts.size_px, facts.fit, facts.reading, data)
        heatmap = self._explainer.explain_view(pixels, [class_name])[0]
        with holding_pixels():
            image = read_image(NAMELESS, min_long_side_px=PANEL_PX, data=data, reading=facts.reading)
        panel = fit_panel(image)
        placed = heatmap.place(panel.size)
        if is_sheet:
            said = describe_answer(answer.prediction or "", answer.status, class_name, answer.probabilities[class_name])
            picture = draw_heatmap(image, heatmap, NAMELESS, said)
        else:
            picture = colour_map(panel, placed)
        file = BytesIO()
        picture.save(file, format="PNG", compress_level=1)
        return DrawnHeatmap(class_name, file.getvalue(), tuple(list_words(heatmap, placed)))

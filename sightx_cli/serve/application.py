"""The routes of a server: the page and its endpoints."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from importlib.resources import files
from io import BytesIO
from typing import Any, TypeVar

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sightx_cli.bundle.memory_model import Model
from sightx_cli.results.answer import Answer
from sightx_cli.serve.allowance import Allowance, Floor
from sightx_cli.serve.heatmap_drawer import HeatmapDrawer
from sightx_cli.serve.image_lanes import ImageLanes
from sightx_cli.serve.limits import Limits
from sightx_cli.serve.openapi import describe_endpoints
from sightx_cli.serve.refusals import Refusal, build_busy
from sightx_cli.serve.replies import HEADERS, reply_json
from sightx_cli.serve.uploads import Upload, read_uploads

PAGE = "page"
PAGE_FILES: Mapping[str, tuple[str, str]] = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/table.js": ("table.js", "text/javascript"),
    "/camera.js": ("camera.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The files of the page, by the paths that they are asked for."""
Outcome = TypeVar("Outcome")


@dataclass
class Served:
    """What a server did so far."""

    images: int = 0
    unreadable: int = 0
    refused: Counter[int] = field(default_factory=Counter)


class Service:
    """A model behind its endpoints; `close` ends its threads."""

    def __init__(self, model: Model, drawer: HeatmapDrawer, facts: Mapping[str, Any], limits: Limits) -> None:
        self.limits, self.served = limits, Served()
        self._drawer, self._facts = drawer, facts
        self._floor = Floor(limits)
        self._lanes = ImageLanes(functools.partial(ask_model, model), limits, lambda: self._floor.receiving > 0)
        self._openapi = describe_endpoints(facts, limits)

    def build_router(self) -> Router:
        """Build what hands requests to the endpoints."""
        routes = [
            *(Route(path, build_file(name, kind)) for path, (name, kind) in PAGE_FILES.items()),
            Route("/predict", self.predict, methods=["POST"]),
            Route("/heatmap", self.draw_heatmap, methods=["POST"]),
            Route("/model", self.tell_model),
            Route("/health", self.tell_health),
            Route("/openapi.json", self.tell_openapi),
        ]
        return Router(routes)

    def warm_up(self) -> None:
        """Let the model answer one image, and a batch, so that nobody's first one waits for what is set up then."""
        black = BytesIO()
        Image.new("RGB", (32, 32)).save(black, "PNG")
        for count in (1, 2):
            for future in self._lanes.put([black.getvalue()] * count):
                future.result()

    def count_waiting(self) -> int:
        """Count the images that wait for the model."""
        return self._lanes.count_waiting()

    async def predict(self, request: Request) -> Response:
        """Answer each image of a request; 422 where not one of them can be read."""
        with self._floor.entering(self._lanes.measure_wait()) as allowance:
            uploads = await self._receive(request, allowance)
            answers = await self._ask([upload.data for upload in uploads])
        images = [{"name": upload.name, **answer.to_json()} for upload, answer in zip(uploads, answers, strict=True)]
        unreadable = sum(bool(answer.error) for answer in answers)
        self.served.images += len(answers)
        self.served.unreadable += unreadable
        return reply_json({"images": images}, 422 if unreadable == len(answers) else 200)

    async def draw_heatmap(self, request: Request) -> Response:
        """Draw where in one image its answer comes from: as a picture, or as JSON with the map alone and its words."""
        is_sheet = "application/json" not in request.headers.get("accept", "")
        with self._floor.entering(self._lanes.measure_wait()) as allowance:
            uploads = await self._receive(request, allowance)
            if len(uploads) > 1:
                raise Refusal(400, "one image at a time has its heatmap drawn")
            data = uploads[0].data
            answer = (await self._ask([data]))[0]
            if answer.error:
                raise Refusal(422, answer.error)
            drawing = self._drawer.draw(data, answer, request.query_params.get("class"), is_sheet)
            drawn = (await self._wait([drawing]))[0]
        if is_sheet:
            return Response(drawn.png, headers=dict(HEADERS), media_type="image/png")
        return reply_json(drawn)

    async def tell_model(self, _: Request) -> Response:
        """Tell what is served."""
        return reply_json(self._facts)

    async def tell_health(self, _: Request) -> Response:
        """Tell that the server runs."""
        return reply_json({"status": "ok"})

    async def tell_openapi(self, _: Request) -> Response:
        """Describe the endpoints."""
        return reply_json(self._openapi)

    def close(self) -> None:
        """Answer what waits, and end."""
        self._drawer.close()
        self._lanes.close()

    async def _receive(self, request: Request, allowance: Allowance) -> list[Upload]:
        length = request.headers.get("content-length", "")
        kind = request.headers.get("content-type", "")
        announced = int(length) if length.isascii() and length.isdigit() else None
        try:
            async with asyncio.timeout(self.limits.receiving_seconds):
                body = stream_body(request, self.limits.idle_seconds)
                uploads = await read_uploads(kind, announced, body, self.limits, allowance)
        except TimeoutError as error:
            raise Refusal(408, "the images did not arrive in time") from error
        allowance.arrive()
        return uploads

    async def _ask(self, images: Sequence[bytes]) -> list[Answer]:
        loop = asyncio.get_running_loop()
        return await self._wait(await loop.run_in_executor(None, self._lanes.put, images))

    async def _wait(self, futures: Sequence[Future[Outcome]]) -> list[Outcome]:
        try:
            async with asyncio.timeout(self.limits.answering_seconds):
                return await asyncio.gather(*map(asyncio.wrap_future, futures))
        except TimeoutError as error:
            raise build_busy(self._lanes.measure_wait()) from error


def ask_model(model: Model, images: list[bytes]) -> list[Answer]:
    """Answer images, whose names the model is not told: its words go without what it calls them instead."""
    answers = []
    for place, answer in enumerate(model.predict(images)):
        called = f"images[{place}]"
        notes = tuple(note.replace(f", such as {called}", "") for note in answer.notes)
        answers.append(replace(answer, error=answer.error.removeprefix(f"{called}: "), notes=notes))
    return answers


async def stream_body(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raises TimeoutError where its client falls silent."""
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        yield piece


def build_file(name: str, kind: str) -> Any:
    """Build the endpoint of a file of the page, which is read once."""
    content = files("sightx_cli.serve").joinpath(PAGE, name).read_bytes()

    async def give(_: Request) -> Response:
        return Response(content, headers=dict(HEADERS), media_type=kind)

    return give

"""A server on a port of its own, in a thread, over the model of a small run."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sightx_cli.api.load_model import load_model
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.memory_model import Model
from sightx_cli.serve.access import Access
from sightx_cli.serve.application import Served, Service
from sightx_cli.serve.gate_keeper import GateKeeper
from sightx_cli.serve.heatmap_drawer import HeatmapDrawer
from sightx_cli.serve.limits import Limits
from sightx_cli.serve.model_facts import gather_model_facts
from sightx_cli.serve.server import PageServer, open_socket
from sightx_cli.task.single_label import SingleLabel

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

HERE = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A server that answers now."""

    port: int
    served: Served
    server: PageServer
    thread: threading.Thread
    defects: list[Exception]
    service: Service

    def count_waiting(self) -> int:
        return self.service.count_waiting()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send one request on a connection of its own; `content_type="image/png"` becomes a header."""
        connection = http.client.HTTPConnection(HERE, self.port, timeout=120)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def send(self, *files: tuple[str, bytes], path: str = "/predict", **headers: str) -> Reply:
        """Send files as a form."""
        kind, body = build_form(*files)
        return self.ask("POST", path, body, content_type=kind, **headers)


def build_form(*files: tuple[str, bytes], end: bool = True) -> tuple[str, bytes]:
    """A multipart form of (name, content): its type, and its body."""
    boundary = uuid4().hex
    parts = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    )
    return f"multipart/form-data; boundary={boundary}", parts + f"--{boundary}--\r\n".encode() * end


@contextlib.contextmanager
def serving(model: Model, run: Path, limits: Limits, token: str | None = None) -> Iterator[Running]:
    """Serve a model until the block ends."""
    listening = open_socket(HERE, 0)
    port = int(listening.getsockname()[1])
    facts, _ = gather_model_facts(run, model.facts, limits)
    service = Service(model, HeatmapDrawer(run, model.facts, limits.waiting_heatmaps), facts, limits)
    defects: list[Exception] = []
    host = HERE if token is None else "0.0.0.0"
    keeper = GateKeeper(service.build_router(), Access(host, port, token), service.served, defects.append)
    server = PageServer(keeper, listening, limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Running(port, service.served, server, thread, defects, service)
    finally:
        server.stop()
        thread.join(20)
        service.close()
        listening.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def model(digits_run: FitResult) -> Model:
    return load_model(digits_run.run)


@pytest.fixture(scope="module")
def served(model: Model, digits_run: FitResult) -> Iterator[Running]:
    """A server with the limits that it has."""
    with serving(model, digits_run.run, Limits()) as running:
        yield running


@pytest.fixture(scope="module")
def decided(build_run: Callable[..., Path]) -> Model:
    """A model of two classes that says "one" from a small probability on."""
    run = build_run(SingleLabel(("one", "two")), decision=Decision(("one",), 0.071, "sensitivity 0.95", "out of fold"))
    return load_model(run)


@pytest.fixture
def serve_within(model: Model, digits_run: FitResult) -> Callable[..., Any]:
    """Serves with other limits, or for other machines: `with serve_within(Limits(files=2)) as running`."""
    return lambda limits=None, token=None, asked=None: serving(
        asked or model, digits_run.run, limits or Limits(), token
    )


@pytest.fixture(scope="session")
def form() -> Callable[..., tuple[str, bytes]]:
    return build_form

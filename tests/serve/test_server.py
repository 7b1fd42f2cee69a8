"""A real server on a real port: the same answers as the model, and words for whatever it will not answer."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import logging
import operator
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from sightx_cli.serve.limits import Limits
from sightx_cli.serve.model_facts import WITHOUT_THRESHOLD
from sightx_cli.serve.replies import HEADERS

if TYPE_CHECKING:
    from sightx_cli.bundle.memory_model import Model

HERE = "127.0.0.1"
UNREADABLE = ("notes.png", b"some text")


@pytest.fixture(scope="module")
def pictures(digits: Path) -> list[tuple[str, bytes]]:
    """One file of each class: its name, and its content."""
    return [(f"{name}.png", (digits / name / "03.png").read_bytes()) for name in ("nought", "one", "two")]


class Slow:
    """A model that waits until it is let go."""

    def __init__(self, model: Model) -> None:
        self.facts, self._model = model.facts, model
        self.door, self.began = threading.Event(), threading.Event()
        self.door.set()

    def predict(self, images: list[bytes]) -> Any:
        self.began.set()
        self.door.wait(20)
        return self._model.predict(images)


@contextlib.contextmanager
def connecting(port: int, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection((HERE, port), timeout=20) as client:
        client.sendall(sent)
        yield client


def read_all(client: socket.socket) -> bytes:
    """What a server sends until it closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            found += piece
    return found


def check_schema(value: Any, schema: dict[str, Any], whole: dict[str, Any], where: str = "") -> None:
    """Hold a value against a JSON schema, with as much of it as the description uses."""
    if "$ref" in schema:
        found = functools.reduce(operator.getitem, schema["$ref"].removeprefix("#/").split("/"), whole)
        check_schema(value, found, whole, where)
        return
    kinds = {"object": dict, "array": list, "string": str, "number": int | float, "integer": int, "null": type(None)}
    known = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "minimum", "maximum"}
    assert not schema.keys() - known - {"description", "minItems", "contentEncoding", "contentMediaType"}
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, kinds[name]) for name in names), where
    assert value in schema.get("enum", [value]), where
    assert value == schema.get("const", value), where
    if isinstance(value, int | float):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), where
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        assert set(schema.get("required", ())) <= value.keys(), where
        assert schema.get("additionalProperties", True) or not value.keys() - properties.keys(), where
        for name in properties.keys() & value.keys():
            check_schema(value[name], properties[name], whole, f"{where}.{name}")
    for one in value if isinstance(value, list) else ():
        check_schema(one, schema.get("items", {}), whole, f"{where}[]")


def check_described(reply: Any, description: dict[str, Any], path: str, method: str = "post") -> None:
    """Hold a reply against what the description says of its path and status."""
    responses = description["paths"][path][method]["responses"]
    content = responses[str(reply.status)]["content"]
    kind = reply.headers["content-type"].partition(";")[0]
    if kind == "application/json":
        check_schema(reply.json, content[kind]["schema"], description)
    else:
        assert content[kind]["schema"] == {"type": "string", "format": "binary"}


# what is answered


def test_the_answers_are_those_of_the_model(served: Any, model: Model, pictures: list[tuple[str, bytes]]) -> None:
    told = served.send(*pictures).json["images"]
    for (name, content), answer in zip(pictures, told, strict=True):
        asked = model.predict(content)
        assert answer["name"] == name
        assert answer["prediction"] == asked.prediction
        assert answer["probabilities"] == pytest.approx(asked.probabilities, abs=1e-5)
        assert (answer["status"], answer["error"]) == (asked.status, "")


def test_a_bare_body_is_answered_as_a_form_is(served: Any, pictures: list[tuple[str, bytes]]) -> None:
    bare = served.ask("POST", "/predict", pictures[0][1], content_type="image/png").json["images"]
    formed = served.send(pictures[0]).json["images"]
    assert bare[0]["probabilities"] == formed[0]["probabilities"]


def test_an_unreadable_file_has_its_reason_and_never_stops_the_others(
    served: Any, pictures: list[tuple[str, bytes]]
) -> None:
    reply = served.send(UNREADABLE, pictures[0])
    assert reply.status == 200
    broken, whole = reply.json["images"]
    assert broken["error"].startswith("is not a readable image")
    assert (broken["prediction"], broken["probabilities"]) == (None, {})
    assert whole["error"] == ""
    assert served.send(UNREADABLE).status == 422


def test_the_description_is_true_of_what_is_answered(served: Any, pictures: list[tuple[str, bytes]]) -> None:
    description = served.ask("GET", "/openapi.json").json
    assert description["openapi"] == "3.1.0"
    for reply in (
        served.send(*pictures),
        served.send(UNREADABLE),
        served.send(pictures[0], origin="http://evil.example"),
        served.ask("POST", "/predict", b"{}", content_type="application/json"),
        served.ask("POST", "/predict"),
    ):
        check_described(reply, description, "/predict")
    for reply in (
        served.send(pictures[0], path="/heatmap"),
        served.send(pictures[0], path="/heatmap?class=two", accept="application/json"),
        served.send(UNREADABLE, path="/heatmap"),
        served.send(*pictures, path="/heatmap"),
    ):
        check_described(reply, description, "/heatmap")
    check_described(served.ask("GET", "/model"), description, "/model", "get")
    check_described(served.ask("GET", "/health"), description, "/health", "get")


def test_a_heatmap_is_a_picture_or_the_map_with_its_words(served: Any, pictures: list[tuple[str, bytes]]) -> None:
    sheet = Image.open(BytesIO(served.send(pictures[0], path="/heatmap").body))
    assert sheet.width >= 720
    told = served.send(pictures[0], path="/heatmap?class=two", accept="application/json").json
    assert told["class"] == "two"
    assert any("not whether it is right" in line for line in told["words"])
    reply = served.send(pictures[0], path="/heatmap?class=three")
    assert (reply.status, reply.json["error"]) == (400, "the model knows no class of that name")


def test_deep_images_are_answered_with_what_was_assumed_of_them(served: Any) -> None:
    file = BytesIO()
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16).save(file, "TIFF")
    answer = served.send(("deep.tif", file.getvalue())).json["images"][0]
    assert answer["error"] == ""
    assert answer["notes"]
    assert "images[" not in "".join(answer["notes"])


def test_names_come_back_as_text_and_without_folders(served: Any, pictures: list[tuple[str, bytes]]) -> None:
    content = pictures[0][1]
    reply = served.send(("../../etc/passwd", content), ("<script>alert(1)<\\script>", content), ("=1+1.png", content))
    assert [one["name"] for one in reply.json["images"]] == ["passwd", "script>", "=1+1.png"]
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"


# what is refused


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/../../etc/passwd", 404), ("GET", "/page/page.js", 404),
     ("GET", "/predict", 405), ("OPTIONS", "/predict", 405), ("DELETE", "/", 405)],
)  # fmt: skip
def test_other_addresses_and_methods_are_refused(served: Any, method: str, path: str, status: int) -> None:
    reply = served.ask(method, path)
    assert reply.status == status
    assert set(reply.json) == {"error"}


def test_every_reply_forbids_what_is_from_elsewhere(served: Any, pictures: list[tuple[str, bytes]]) -> None:
    replies = [served.ask("GET", path) for path in ("/", "/page.js", "/health", "/nothing")]
    replies += [served.send(pictures[0]), served.send(pictures[0], path="/heatmap"), served.ask("POST", "/predict")]
    for reply in replies:
        assert {name: reply.headers[name] for name in HEADERS} == dict(HEADERS)
        assert "access-control-allow-origin" not in reply.headers
        assert "server" not in reply.headers


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    for file in files("sightx_cli.serve").joinpath("page").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|url\(|@import", text), file.name
        assert "innerHTML" not in text
        assert "document.write" not in text
        assert not re.search(r"<[a-z][^>]* (on[a-z]+|style)=", text), f"{file.name}: the policy forbids it"


def test_a_person_without_the_token_reads_a_sentence(serve_within: Callable[..., Any]) -> None:
    with serve_within(token="secret") as running:
        reply = running.ask("GET", "/", accept="text/html,*/*")
        assert reply.status == 401
        assert reply.body.decode().startswith("SightX: the token is missing or wrong")
        assert running.ask("GET", "/health").json == {"status": "ok"}


def test_the_token_moves_from_the_address_into_a_cookie(serve_within: Callable[..., Any]) -> None:
    with serve_within(token="secret") as running:
        moved = running.ask("GET", "/?token=secret&x=1")
        assert (moved.status, moved.headers["location"]) == (303, "/?x=1")
        cookie = moved.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert running.ask("GET", "/", cookie=cookie.partition(";")[0]).status == 200
        assert running.ask("GET", "//evil.example?token=secret").headers["location"] == "/evil.example"
        assert running.ask("GET", "/model", authorization="Bearer secret").status == 200


# what is too much


def test_an_upload_that_announces_too_much_is_refused_before_it_is_sent(served: Any) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: {HERE}\r\nContent-Type: image/png\r\nContent-Length: {10 * 1024**3}\r\n"
    with connecting(served.port, f"{head}Expect: 100-continue\r\n\r\n".encode()) as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 413")


def test_an_upload_without_a_length_is_cut_at_the_limit(serve_within: Callable[..., Any]) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: {HERE}\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent, piece = 0, b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with serve_within(Limits(file_bytes=200_000)) as running, connecting(running.port, head.encode()) as client:
        with contextlib.suppress(ConnectionError):
            while sent < 100 * 1024**2:
                client.sendall(piece)
                sent += 65536
        assert read_all(client).startswith(b"HTTP/1.1 413")
        assert sent < 40 * 1024**2  # what is on its way is thrown away for a moment, so that the answer arrives


def test_nothing_of_an_upload_is_written_anywhere(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8))
    file = BytesIO()
    noise.save(file, "PNG")
    assert len(file.getvalue()) > 2_000_000  # a form's files above 1 MB are what frameworks keep on disk
    with caplog.at_level(logging.DEBUG):
        assert served.send(("patient-4711.png", file.getvalue()), ("patient-4712.png", b"text")).status == 200
        assert served.ask("POST", "/predict", b"x", content_type="text/x-patient-4713").status == 415
    assert not list(tmp_path.iterdir())
    assert "patient" not in caplog.text + "".join(capfd.readouterr())


def test_a_client_that_sends_no_whole_head_is_let_go(serve_within: Callable[..., Any]) -> None:
    with serve_within(Limits(idle_seconds=0.2)) as running:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A"):
            with connecting(running.port, sent) as client:
                assert read_all(client) == b""
        assert running.ask("GET", "/health").status == 200


def test_a_client_that_falls_silent_in_its_upload_is_told_and_let_go(serve_within: Callable[..., Any]) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: {HERE}\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nxx"
    with serve_within(Limits(idle_seconds=0.2)) as running, connecting(running.port, head.encode()) as client:
        assert read_all(client).startswith(b"HTTP/1.1 408")


def test_a_client_that_drips_has_its_upload_cut(serve_within: Callable[..., Any]) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: {HERE}\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\n"
    with (
        serve_within(Limits(receiving_seconds=0.4)) as running,
        connecting(running.port, head.encode()) as client,
    ):
        client.settimeout(0.05)
        found = b""
        while not found:
            with contextlib.suppress(TimeoutError):
                found = client.recv(100)
                break
            client.sendall(b"x")
    assert found.startswith(b"HTTP/1.1 408")


def ask_for_ever(client: socket.socket) -> None:
    while True:
        client.sendall(b"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100)


def test_a_client_that_does_not_take_its_answers_is_let_go(serve_within: Callable[..., Any]) -> None:
    with serve_within(Limits(idle_seconds=0.3)) as running:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((HERE, running.port))
            client.settimeout(5)
            with pytest.raises(ConnectionError):  # not TimeoutError: it is closed, not left waiting
                ask_for_ever(client)
        assert running.ask("GET", "/health").status == 200


def test_more_connections_than_allowed_are_closed_and_the_others_served(serve_within: Callable[..., Any]) -> None:
    with serve_within(Limits(connections=3)) as running, contextlib.ExitStack() as stack:
        held = [stack.enter_context(connecting(running.port)) for _ in range(6)]
        assert read_all(held[-1]) == b""
        for client in held:
            client.close()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionError, http.client.HTTPException):
                assert running.ask("GET", "/health").status == 200
                break
        else:
            pytest.fail("the server did not recover")


def test_overload_is_told_to_come_back_and_then_served(
    serve_within: Callable[..., Any], model: Model, pictures: list[tuple[str, bytes]]
) -> None:
    slow = Slow(model)
    with serve_within(Limits(requests=4, batch=2), asked=slow) as running, ThreadPoolExecutor(24) as clients:
        slow.door.clear()
        futures = [clients.submit(running.send, pictures[0]) for _ in range(24)]
        while sum(future.done() for future in futures) < 20:
            time.sleep(0.01)
        slow.door.set()
        replies = [future.result(20) for future in futures]
        assert sorted(reply.status for reply in replies) == [200] * 4 + [429] * 20
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies if reply.status == 429)
        assert running.send(pictures[0]).status == 200
        assert running.served.refused == {429: 20}


def test_images_that_arrive_together_go_through_the_model_together(
    serve_within: Callable[..., Any], model: Model, pictures: list[tuple[str, bytes]]
) -> None:
    batches: list[int] = []
    slow = Slow(model)
    plain = slow.predict

    def count(images: list[bytes]) -> Any:
        batches.append(len(images))
        return plain(images)

    slow.predict = count  # type: ignore[method-assign]
    with serve_within(Limits(batch=4), asked=slow) as running, ThreadPoolExecutor(5) as clients:
        slow.door.clear()
        first = clients.submit(running.send, pictures[0])
        slow.began.wait(10)
        rest = [clients.submit(running.send, pictures[1]) for _ in range(4)]
        until = time.monotonic() + 10
        while running.count_waiting() < 4 and time.monotonic() < until:
            time.sleep(0.01)
        slow.door.set()
        assert [future.result(20).status for future in (first, *rest)] == [200] * 5
    assert batches == [1, 4]


def test_a_very_large_image_holds_up_no_ordinary_one(
    serve_within: Callable[..., Any], model: Model, pictures: list[tuple[str, bytes]]
) -> None:
    large = BytesIO()
    Image.new("L", (200, 200)).save(large, "PNG")
    slow = Slow(model)
    plain = slow.predict
    slow.predict = lambda images: plain(images) if large.getvalue() in images else model.predict(images)  # type: ignore[method-assign]
    with serve_within(Limits(large_pixels=40_000), asked=slow) as running, ThreadPoolExecutor(1) as clients:
        slow.door.clear()
        held = clients.submit(running.send, ("large.png", large.getvalue()))
        slow.began.wait(10)
        assert running.send(pictures[0]).status == 200
        assert not held.done()
        slow.door.set()
        assert held.result(20).status == 200


def test_an_image_of_too_many_pixels_is_refused_from_its_header_and_stops_no_other(
    served: Any, pictures: list[tuple[str, bytes]]
) -> None:
    head = BytesIO()
    Image.new("L", (8, 8)).save(head, "PNG")
    data = bytearray(head.getvalue())
    data[16:24] = (10_000).to_bytes(4) + (6_000).to_bytes(4)  # the size in the header, and no such pixels behind it
    data[29:33] = crc32(data[12:29]).to_bytes(4)
    reply = served.send(("scan.png", bytes(data)), pictures[0])
    refused, answered = reply.json["images"]
    assert refused["error"] == "has 60,000,000 pixels; at most 50,000,000 are answered here: make it smaller"
    assert (reply.status, answered["error"], refused["prediction"]) == (200, "", None)
    assert served.send(("scan.png", bytes(data))).status == 422
    assert served.ask("GET", "/model").json["limits"]["image_pixels"] == 50_000_000


def test_an_answer_that_takes_too_long_is_told_to_come_back(
    serve_within: Callable[..., Any], model: Model, pictures: list[tuple[str, bytes]]
) -> None:
    slow = Slow(model)
    with serve_within(Limits(answering_seconds=0.1), asked=slow) as running:
        slow.door.clear()
        reply = running.send(pictures[0])
        slow.door.set()
    assert reply.status == 429


# what goes wrong, and the end


@pytest.mark.parametrize(("error", "status"), [(MemoryError(), 503), (RuntimeError("of patient-4711.png"), 500)])
def test_a_defect_is_told_without_what_it_was_about(
    serve_within: Callable[..., Any],
    model: Model,
    pictures: list[tuple[str, bytes]],
    error: Exception,
    status: int,
) -> None:
    slow = Slow(model)

    def fail(_: Any) -> Any:
        raise error

    slow.predict = fail  # type: ignore[method-assign]
    with serve_within(asked=slow) as running:
        reply = running.send(pictures[0])
        assert reply.status == status
        assert "patient" not in reply.json["error"]
        assert running.defects == [error] * (status == 500)
        assert running.ask("GET", "/health").status == 200


def test_what_is_being_answered_when_the_server_stops_is_answered_still(
    serve_within: Callable[..., Any], model: Model, pictures: list[tuple[str, bytes]]
) -> None:
    slow = Slow(model)
    with serve_within(asked=slow) as running, ThreadPoolExecutor(1) as clients:
        slow.door.clear()
        last = clients.submit(running.send, pictures[0])
        slow.began.wait(10)
        running.server.stop()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                running.ask("GET", "/health")
            except OSError:
                break
        slow.door.set()
        assert last.result(20).status == 200
        running.thread.join(10)
        assert not running.thread.is_alive()


def test_the_facts_of_the_model_are_those_of_its_run(served: Any) -> None:
    facts = served.ask("GET", "/model").json
    assert facts["classes"] == ["nought", "one", "two"]
    assert facts["columns"][0] == "image"
    assert facts["figures"][0]["figures"][0]["title"] == "accuracy"
    assert "not a medical device" in facts["research"]
    assert json.dumps(facts)


def test_the_facts_of_a_model_tell_by_which_threshold_it_decides(
    served: Any, serve_within: Callable[..., Any], decided: Any
) -> None:
    plain = served.ask("GET", "/model").json
    assert (plain["decides_class"], plain["decided_by"]) == (False, None)
    with serve_within(asked=decided) as running:
        facts = running.ask("GET", "/model").json
    assert facts["decides_class"] is True
    assert facts["decided_by"] == "one from a probability of 0.071 on (sensitivity 0.95, out of fold)"
    assert facts["figures"][0]["what"] == f"{plain['figures'][0]['what']} {WITHOUT_THRESHOLD}"

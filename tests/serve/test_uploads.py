"""Images come out of a request's body whole, in memory, and within the limits at every byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightx_cli.serve.allowance import Floor
from sightx_cli.serve.limits import Limits
from sightx_cli.serve.refusals import Refusal
from sightx_cli.serve.uploads import Upload, clean_upload_name, read_uploads

Form = Callable[..., tuple[str, bytes]]
SMALL = Limits(file_bytes=100, request_bytes=1000, files=3, held_bytes=250)


def read(kind: str, body: bytes, limits: Limits = SMALL, piece: int = 7, length: int | None = None) -> list[Upload]:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]

    async def work() -> list[Upload]:
        with Floor(limits).entering(0) as allowance:
            return await read_uploads(kind, length, stream(), limits, allowance)

    return asyncio.run(work())


def refuse(kind: str, body: bytes, limits: Limits = SMALL, length: int | None = None) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        read(kind, body, limits, length=length)
    return caught.value.status, caught.value.text


@given(contents=st.lists(st.binary(max_size=60), min_size=1, max_size=3), piece=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_files_come_out_as_they_went_in_however_the_body_is_cut(form: Form, contents: list[bytes], piece: int) -> None:
    files = [(f"{place}.png", content) for place, content in enumerate(contents)]
    assert read(*form(*files), piece=piece) == [Upload(name, content) for name, content in files]


@pytest.mark.parametrize(
    "kind", ["", "image/png", "image/jpeg; q=1", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_body_that_is_no_form_is_one_image(kind: str) -> None:
    assert read(kind, b"pixels") == [Upload("image 1", b"pixels")]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/html; charset=utf-8"])
def test_a_body_of_another_type_is_refused(kind: str) -> None:
    assert refuse(kind, b"{}")[0] == 415


def test_an_image_may_have_the_bytes_allowed_and_not_one_more(form: Form) -> None:
    assert len(read(*form(("a", b"x" * 100)))[0].data) == 100
    assert refuse(*form(("a", b"x" * 101)))[0] == 413
    assert len(read("image/png", b"x" * 100)[0].data) == 100
    assert refuse("image/png", b"x" * 101)[0] == 413


def test_a_request_may_have_the_files_allowed_and_not_one_more(form: Form) -> None:
    assert len(read(*form(*[("a", b"x")] * 3))) == 3
    assert refuse(*form(*[("a", b"x")] * 4)) == (413, "too many: a request takes up to 3 images")


def test_a_length_that_is_too_large_is_refused_before_anything_is_read(form: Form) -> None:
    kind, body = form(("a", b"x"))
    assert refuse(kind, body, length=1001)[0] == 413


def test_fields_beside_the_files_take_no_memory_and_count_as_length(form: Form) -> None:
    kind, body = form(("a", b"x"))
    boundary = kind.partition("boundary=")[2].encode()

    def field(content: bytes) -> bytes:
        return b"--" + boundary + b'\r\nContent-Disposition: form-data; name="note"\r\n\r\n' + content + b"\r\n"

    assert read(kind, field(b"x" * 500) + body) == [Upload("a", b"x")]
    assert refuse(kind, field(b"x" * 1000) + body)[0] == 413


def test_all_uploads_together_take_no_more_memory_than_allowed(form: Form) -> None:
    status, text = refuse(*form(*[("a", b"x" * 90)] * 3))
    assert (status, text) == (429, "busy: too many images are waiting; send it again in 1 s")


def test_what_a_request_held_is_free_after_it_whatever_happened(form: Form) -> None:
    floor = Floor(SMALL)
    with floor.entering(0) as allowance:
        allowance.take(200)
        assert (floor.requests, floor.receiving, floor.held_bytes) == (1, 1, 200)
        allowance.arrive()
        assert floor.receiving == 0
        with pytest.raises(Refusal):
            allowance.take(51)
    with floor.entering(0) as allowance:
        allowance.take(250)
    assert (floor.requests, floor.receiving, floor.held_bytes) == (0, 0, 0)


@pytest.mark.parametrize("files", [(), (("", b""),)])
def test_a_form_without_an_image_is_refused(form: Form, files: tuple[tuple[str, bytes], ...]) -> None:
    status, text = refuse(*form(*files))
    assert status == 400
    assert "no image" in text or "damaged" in text


def test_a_form_that_breaks_off_is_refused(form: Form) -> None:
    assert refuse(*form(("a", b"x"), end=False)) == (400, "the form broke off before its end")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=" + "b" * 300, b"x"),
        ("multipart/form-data; boundary=b", b"no form at all"),
        ("multipart/form-data; boundary=b", b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\nx\r\n--b--\r\n"),
    ],
)
def test_a_damaged_form_is_refused(kind: str, body: bytes) -> None:
    assert refuse(kind, body, Limits())[0] == 400


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("scan.png", "scan.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\scan.png", "scan.png"),
        ("", "image 2"),
        ("/", "image 2"),
        ("a\r\nX: b\x00.png", "aX: b.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("<script>alert(1)</script>", "script>"),
        ("<img src=x>.png", "<img src=x>.png"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("žluťoučký 馬.png", "žluťoučký 馬.png"),
    ],
)
def test_a_name_is_shown_without_folders_and_without_what_is_not_text(given: str, shown: str) -> None:
    assert clean_upload_name(given, 2) == shown


def test_a_name_comes_out_as_a_browser_sends_it(form: Form) -> None:
    assert [one.name for one in read(*form(("žluť 馬.png", b"x"), ("a%22b.png", b"x")))] == ["žluť 馬.png", 'a"b.png']

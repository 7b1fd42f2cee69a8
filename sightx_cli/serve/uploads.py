"""Images out of the body of a request, in memory alone and within the limits while they arrive.

A web framework's own form parser keeps files above a size on disk. Here nothing is written, and a body that is too
large is refused at the byte that is too many, or by its announced length before any of it is read.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sightx_cli.serve.allowance import Allowance
from sightx_cli.serve.limits import MEBIBYTE, Limits
from sightx_cli.serve.refusals import Refusal

NAME_CHARACTERS = 255
HEADER_BYTES = 8192
"""Of one part of a form: a name and a type take a few hundred."""
FORM = b"multipart/form-data"
BARE = (b"", b"application/octet-stream", b"application/dicom", b"application/x-www-form-urlencoded")
"""Types, beside those of images, under which a body is taken for one image: the last is what curl says of any body."""
HOW = "send files as multipart/form-data, or one image as the body"
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of text: a name could show another ending than it has."""


@dataclass(frozen=True)
class Upload:
    """One image as it came."""

    name: str
    """The last part of the name that the client gave, to tell answers apart; never used as a path."""
    data: bytes


def clean_upload_name(name: str, number: int) -> str:
    """Return a name to show: without folders and control characters, and never empty."""
    last = _NOT_SHOWN.sub("", re.split(r"[/\\]", name)[-1]).strip()
    return last[-NAME_CHARACTERS:] or f"image {number}"


async def read_uploads(
    content_type: str, content_length: int | None, body: AsyncIterator[bytes], limits: Limits, allowance: Allowance
) -> list[Upload]:
    """Read the images of a request, at least one; `allowance` holds their bytes until it is given back.

    Raises `Refusal` for what is too large, damaged, of another type, or empty.
    """
    kind, options = parse_options_header(content_type)
    if kind != FORM and kind not in BARE and not kind.startswith(b"image/"):
        raise Refusal(415, f"this type of body is not read: {HOW}")
    check_length(content_length or 0, limits)
    if kind == FORM:
        form = UploadForm(options.get(b"boundary", b""), limits, allowance)
        total = 0
        async for piece in body:
            total += len(piece)
            check_length(total, limits)
            form.write(piece)
        uploads = form.finish()
    else:
        data = bytearray()
        async for piece in body:
            hold(data, piece, limits, allowance)
        uploads = [Upload(clean_upload_name("", 1), bytes(data))] if data else []
    if not uploads:
        raise Refusal(400, f"no image in it: {HOW}")
    return uploads


def check_length(length: int, limits: Limits) -> None:
    """Raise `Refusal` where a body is too large."""
    if length > limits.request_bytes:
        raise Refusal(413, f"too large: a request takes up to {limits.request_bytes // MEBIBYTE} MB")


def hold(data: bytearray, piece: bytes, limits: Limits, allowance: Allowance) -> None:
    """Add a piece to an image; raises `Refusal` where it grows too large, or all uploads together do."""
    if len(data) + len(piece) > limits.file_bytes:
        raise Refusal(413, f"too large: an image takes up to {limits.file_bytes // MEBIBYTE} MB")
    allowance.take(len(piece))
    data += piece


class UploadForm:
    """A multipart form in the making: every part that has a file name is an image, all others are passed over."""

    def __init__(self, boundary: bytes, limits: Limits, allowance: Allowance) -> None:
        self._limits, self._allowance = limits, allowance
        self._uploads: list[Upload] = []
        self._name: str | None = None
        self._data = bytearray()
        self._field, self._value, self._header_bytes = bytearray(), bytearray(), 0
        self._is_whole = False
        if not boundary:
            raise Refusal(400, "the form names no boundary between its parts")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._add_header(self._field, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add_header(self._value, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_part_data": self._add_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise Refusal(400, "the form is damaged") from error

    def write(self, piece: bytes) -> None:
        """Parse the next piece; raises `Refusal` where the form is damaged or holds too much."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise Refusal(400, "the form is damaged") from error

    def finish(self) -> list[Upload]:
        """Return the images; raises `Refusal` where the form broke off."""
        if not self._is_whole:
            raise Refusal(400, "the form broke off before its end")
        return self._uploads

    def _begin(self) -> None:
        self._name, self._data, self._header_bytes = None, bytearray(), 0
        self._field, self._value = bytearray(), bytearray()

    def _add_header(self, to: bytearray, piece: bytes) -> None:
        self._header_bytes += len(piece)
        if self._header_bytes > HEADER_BYTES:
            raise Refusal(400, "the form is damaged")
        to += piece

    def _end_header(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value).decode("latin-1"))
            if b"filename" in options:
                self._name = options[b"filename"].decode("utf-8", "replace").replace("%22", '"')
                if len(self._uploads) == self._limits.files:
                    raise Refusal(413, f"too many: a request takes up to {self._limits.files} images")
        self._field, self._value = bytearray(), bytearray()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is not None:
            hold(self._data, data[start:end], self._limits, self._allowance)

    def _end_part(self) -> None:
        if self._name is not None and (self._name or self._data):  # a form with no file chosen has an empty one
            self._uploads.append(Upload(clean_upload_name(self._name, len(self._uploads) + 1), bytes(self._data)))
        self._data = bytearray()

    def _end(self) -> None:
        self._is_whole = True

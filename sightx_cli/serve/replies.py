"""Answers as they go out: each with the headers that keep a browser from loading anything from elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from sightx_cli.results.json_form import to_plain
from sightx_cli.serve.refusals import Refusal

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
LINGER_SECONDS, LINGER_BYTES = 1.0, 16 * 1024**2
"""How long, and how much, of a refused upload is still taken in, and thrown away: a connection that is closed while its
client sends would often lose the answer on the way."""


def reply_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Build an answer in JSON."""
    text = json.dumps(to_plain(content), ensure_ascii=False, allow_nan=False)
    body = text.encode("utf-8", "backslashreplace")  # a name may hold half a character
    return Response(body, status, {**HEADERS, **(headers or {})}, "application/json")


def reply_refusal(refusal: Refusal, is_read: bool = False) -> Response:
    """Build the answer to a request that is refused; a sentence alone where a person reads it in a browser."""
    if is_read:
        return PlainTextResponse(f"SightX: {refusal.text}\n", refusal.status, {**HEADERS, **refusal.headers})
    return reply_json({"error": refusal.text}, refusal.status, refusal.headers)


async def send_refusal(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a request whose body may still be on its way, so that its client hears of it; then close."""
    accepted = Headers(scope=scope).get("accept", "")
    reply = reply_refusal(refusal, is_read=accepted.startswith("text/html"))
    reply.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": reply.status_code, "headers": reply.raw_headers})
    body = b"" if scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return

"""What every request goes through before its endpoint: who may ask, and words for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sightx_cli.machine import find_memory_shortage
from sightx_cli.serve.access import SAFE_METHODS, TOKEN, Access
from sightx_cli.serve.application import Served
from sightx_cli.serve.refusals import RETRY, Refusal
from sightx_cli.serve.replies import HEADERS, send_refusal

WORDS = {404: "there is nothing here", 405: "this address takes another method"}


class GateKeeper:
    """An application that lets requests through to another one, and refuses in words those that it may not answer.

    `report` is told of defects, never of names or contents.
    """

    def __init__(self, router: ASGIApp, access: Access, served: Served, report: Callable[[Exception], None]) -> None:
        self._router, self._access, self._served, self._report = router, access, served, report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            if (redirect := self._check(scope)) is not None:
                await redirect(scope, receive, send)
            else:
                # Where there is an application around a router, it raises what it has no route for.
                await self._router({**scope, "app": self}, receive, sending)
        except ClientDisconnect:
            return
        except Exception as error:
            if has_begun:
                raise
            refusal = self._explain(error)
            self._served.refused[refusal.status] += 1
            await send_refusal(refusal, scope, receive, send)

    def _check(self, scope: Scope) -> RedirectResponse | None:
        """Raise `Refusal` for whom nothing is answered; return where to send a browser that brought the token."""
        headers, query = Headers(scope=scope), scope["query_string"].decode("latin-1")
        self._access.check(scope["method"], scope["path"], headers, query)
        if scope["method"] not in SAFE_METHODS or not self._access.carries_token(query):
            return None
        # Out of the address, where it would stay in the history. Lax, not Strict: a link to here may stand in a mail.
        given = parse_qsl(query)
        rest = urlencode([(name, value) for name, value in given if name != TOKEN])
        redirect = RedirectResponse("/" + scope["path"].lstrip("/") + f"?{rest}" * bool(rest), 303, dict(HEADERS))
        token = dict(given)[TOKEN]
        redirect.set_cookie(self._access.cookie, token, httponly=True, samesite="lax")
        return redirect

    def _explain(self, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error.with_traceback(None)  # which holds the upload, and would be held by its caller in a circle
        if isinstance(error, HTTPException):
            return Refusal(error.status_code, WORDS.get(error.status_code, "this cannot be answered"), error.headers)
        if isinstance(error, MemoryError) or find_memory_shortage(error):
            return Refusal(503, "out of memory: send fewer or smaller images", {RETRY: "5"})
        self._report(error)
        return Refusal(500, "a bug in SightX: the terminal that it was started from says more")

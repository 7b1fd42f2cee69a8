"""Who may ask: pages of other sites never, other machines only with the token.

A web page from anywhere may send requests to a server on its reader's own machine, and a name that its owner controls
may be made to point there (DNS rebinding). So the name that a request was sent to is checked, and where a browser says
which page sends, that it is ours; nothing allows another origin to read an answer.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from sightx_cli.serve.refusals import Refusal

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
TOKEN = "token"
"""The parameter of an address that carries the token, once: the page keeps it in a cookie."""
SAFE_METHODS = ("GET", "HEAD")
OPEN_PATH = "/health"
"""Answered without a token: it tells only that the server runs."""


def make_token() -> str:
    """Make a token that nobody guesses: 256 bits."""
    return secrets.token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def list_machine_names(host: str) -> frozenset[str]:
    """List the names that a request to another host than loopback may be sent to, beside addresses in numbers."""
    own = socket.gethostname().lower()
    return frozenset({*LOOPBACK_NAMES, host.lower(), own, own.split(".")[0], f"{own.split('.')[0]}.local"})


@dataclass(frozen=True)
class Access:
    """What is asked of a request before it is looked at."""

    host: str
    port: int
    token: str | None = None
    """None where only this machine can ask."""

    @property
    def cookie(self) -> str:
        """Return the name of the cookie that keeps the token: browsers share cookies between the ports of a host."""
        return f"sightx_{self.port}"

    def check(self, method: str, path: str, headers: Mapping[str, str], query: str) -> None:
        """Raise `Refusal` where a request was sent to another name, by another page, or without the token."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise Refusal(421, "this server is not called by that name")
        if path == OPEN_PATH and method in SAFE_METHODS:
            return
        if method not in SAFE_METHODS:
            check_origin(host, headers)
        if self.token is not None and not self._has_token(headers, query):
            text = "the token is missing or wrong: open the address that sightx serve printed"
            raise Refusal(401, text, {"WWW-Authenticate": "Bearer"})

    def _is_ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return False
        if parts.path or parts.query or parts.username is not None:
            return False
        if self.token is None:
            return (name == self.host.lower() or name in LOOPBACK_NAMES) and port in (self.port, None)
        if name in list_machine_names(self.host):
            return True
        try:
            ipaddress.ip_address(name)  # a name is what rebinding needs
        except ValueError:
            return False
        return True

    def _has_token(self, headers: Mapping[str, str], query: str) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        return self.carries_token(query) or self._is_token(_read_cookie(headers.get("cookie", ""), self.cookie))

    def carries_token(self, query: str) -> bool:
        """Tell whether an address has the token in it."""
        return self.token is not None and any(map(self._is_token, parse_qs(query).get(TOKEN, ())))

    def _is_token(self, given: str) -> bool:
        return self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())


def check_origin(host: str, headers: Mapping[str, str]) -> None:
    """Raise `Refusal` where a browser says that a page of another origin sends this; programs say nothing."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    if (origin is not None and _find_host(origin) != host) or site not in ("same-origin", "none"):
        raise Refusal(403, "pages of other sites cannot ask here")


def _find_host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _read_cookie(cookies: str, name: str) -> str:
    try:
        found = SimpleCookie(cookies).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value

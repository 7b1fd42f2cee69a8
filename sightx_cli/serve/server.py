"""Listens on a port and answers until it is stopped: by Ctrl-C, by SIGTERM, or from another thread."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from sightx_cli.errors import UsageError
from sightx_cli.serve.connections import bound_connections
from sightx_cli.serve.limits import Limits

BACKLOG = 128
KEEP_ALIVE_SECONDS = 15
EVERYWHERE = ("0.0.0.0", "::", "")


def open_socket(host: str, port: int) -> socket.socket:
    """Take a port of a host, any free one for 0. Raises UsageError where it cannot be had, with what to type."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"--host {host}: this machine knows no such name", "leave --host out") from error
    listening = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would share the port with its holder
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        refuse_address(host, port, error)
    listening.setblocking(False)
    return listening


def refuse_address(host: str, port: int, error: OSError) -> NoReturn:
    """Raise UsageError with what is wrong with a host or a port, and what to type instead."""
    if error.errno == errno.EADDRINUSE:
        raise UsageError(f"--port {port}: another program listens there", "--port 0 takes any that is free") from error
    if error.errno in (errno.EACCES, errno.EPERM):
        raise UsageError(f"--port {port}: this account may not listen there", "--port 0 takes any that is free")
    if error.errno == errno.EADDRNOTAVAIL:
        raise UsageError(f"--host {host}: is no address of this machine", "--host 0.0.0.0 takes all that it has")
    raise UsageError(f"--host {host} --port {port}: cannot listen there ({error.strerror})", "--port 0") from error


def write_url(host: str, port: int, token: str | None = None) -> str:
    """Write the address to open; for all addresses of this machine the one it is reached by from others, if known."""
    shown = find_own_address(host) if host in EVERYWHERE else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def find_own_address(host: str) -> str:
    """Find the address by which others reach this machine; its name where there is no network. Sends nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1" if ":" in host else "192.0.2.1", 9))  # addresses kept for examples (RFC 5737)
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


class PageServer:
    """An application on a socket."""

    def __init__(self, application: ASGIApp, listening: socket.socket, limits: Limits) -> None:
        config = uvicorn.Config(
            application,
            http=bound_connections(limits.idle_seconds, limits.connections),
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",  # no address and no name of a client is written down
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=round(limits.stopping_seconds),
        )
        self._listening, self._server = listening, uvicorn.Server(config)

    def run(self) -> None:
        """Answer until the server is stopped; what is being answered then is answered still."""
        with passing_signals():
            self._server.run(sockets=[self._listening])

    def stop(self) -> None:
        """Stop, from another thread."""
        self._server.should_exit = True


@contextmanager
def passing_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM, on which the server stops, end there: uvicorn raises both again when it has stopped."""
    import signal

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

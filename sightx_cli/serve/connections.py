"""Connections that do nothing are closed: uvicorn bounds the time between requests, not that until a whole one."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedConnection(H11Protocol):
    """A connection whose client must send the whole head of a request in time, each time, and take its answer.

    How long a body may take is bounded where it is read.
    """

    idle_seconds: ClassVar[float]
    most: ClassVar[int]
    """Connections open at a time; one more is closed at once."""

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the time for the first head."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._begin()

    def data_received(self, data: bytes) -> None:
        """Pass data on; the time runs from the first byte of a head to its last."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end()
        elif self._timer is None:
            self._begin()

    def pause_writing(self) -> None:
        """Begin the time in which a client must take some of its answer."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.idle_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """End it."""
        self._end_unread()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection between requests; what its client has not taken by then is thrown away."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all times."""
        self._end()
        self._end_unread()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._timer = self.loop.call_later(self.idle_seconds, self._close)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _close(self) -> None:
        self._timer = None
        self.transport.abort()


def bound_connections(idle_seconds: float, most: int) -> type[BoundedConnection]:
    """Return the kind of connection for a server: uvicorn makes one for each client."""
    return type("Connection", (BoundedConnection,), {"idle_seconds": idle_seconds, "most": most})

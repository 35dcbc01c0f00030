"""HTTP as uvicorn speaks it, with heads of requests that end: a client cannot make the server hold one without end.

Here: the most bytes and seconds that a head may take, for anybody, before it is known who asks. Not here: bodies (see
`bodies` and `uploads`).
"""

import asyncio
from asyncio import Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST = 64 * 1024  # bytes, of those that come before the last piece
SECONDS = 20.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is closed where the head of a request is too large or comes too slowly."""

    _timer: asyncio.TimerHandle | None = None
    _is_going_on = False  # since the last piece was read, no head began or ended
    _size = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A client is there; its first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a head or a body."""
        self._is_going_on = self._timer is not None
        super().data_received(data)
        self._size = self._size + len(data) if self._is_going_on else 0
        if self._size > LARGEST and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It has ended."""
        self._stop_waiting()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._is_going_on = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

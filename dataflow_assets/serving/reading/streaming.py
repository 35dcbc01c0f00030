"""Sending rows: bytes that are made in threads, sent as the reader takes them, and never so that a part looks whole.

Here: withholding and sending. Not here: what is sent (see `formats`), and what is streamed at all (see `respond`).

The last bytes that were made are withheld until more of them are there, or the end is. So a stream that breaks off ends
in the middle of something: in a line of JSON or a message of Arrow that is not whole. As a stream keeps the days that
it reads from being swapped, a reader that takes nothing for some seconds is cut off, and so is one that takes too long.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping

import anyio
from anyio import to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Send

from dataflow_assets.serving.reading.sessions import LONGEST

_STALLED = 10.0  # seconds in which a reader takes nothing
_WITHHELD = 16  # bytes: more than the mark at the end of a stream of Arrow, without which it is whole too
_PIECE = 256 * 1024  # bytes that are sent at once

_log = logging.getLogger(__name__)


class StalledReaderError(ClientDisconnect):
    """A reader took nothing for too long, or too long for everything, and was cut off."""


def withhold(chunks: Iterable[bytes]) -> Generator[bytes | memoryview, None, None]:
    """The same bytes, the last of which come only at the end."""
    held = b""
    for chunk in chunks:
        known = held + chunk
        del chunk  # of megabytes, and a reader may take its time
        yield memoryview(known)[:-_WITHHELD]
        held = known[-_WITHHELD:]
    yield held


class StreamedRows(StreamingResponse):
    """A response whose body is made while it is sent.

    Args:
        beginning: the bytes that were made already.
        chunks: makes the others; it is closed when the response ends, however it does.
        limiter: how many threads make bytes at once.
        on_end: called then.
        headers: of the response.
        media_type: of the body.
    """

    def __init__(
        self,
        beginning: bytes,
        chunks: Generator[bytes | memoryview, None, None],
        *,
        limiter: anyio.CapacityLimiter,
        on_end: Callable[[], None],
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        self._chunks, self._limiter, self._on_end = chunks, limiter, on_end
        super().__init__(self._pieces(beginning), headers=headers, media_type=media_type)

    async def stream_response(self, send: Send) -> None:
        """Send everything, or break off."""
        try:
            async with asyncio.timeout(LONGEST):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for piece in self.body_iterator:
                    async with asyncio.timeout(_STALLED):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            _log.warning("a reader took its rows too slowly and was cut off")
            raise StalledReaderError from None
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._chunks.close, limiter=self._limiter)
            self._on_end()

    async def _pieces(self, chunk: bytes | memoryview | None) -> AsyncIterator[memoryview]:
        while chunk is not None:
            for start in range(0, len(chunk), _PIECE):
                yield memoryview(chunk)[start : start + _PIECE]
            chunk = await to_thread.run_sync(next, self._chunks, None, limiter=self._limiter)

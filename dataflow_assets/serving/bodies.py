"""Bodies that stop, and forms without end: a client that goes on too late, or for too long, is not waited for.

Here: how long a piece of any body may take, and how large a form may be. Not here: how large another body may be, and
whose is read (see `uploads`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from dataflow_assets.serving.refusals import TooLargeError, TooSlowError

SECONDS = 30.0
_LARGEST_FORM = 64 * 1024  # bytes; it is read before it is known who sends it


class TimedBody:
    """Receives a body, each piece of it in time; `is_late` once a piece was not."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_whole = False
        self.is_late = False

    async def receive(self) -> Message:
        """The next piece, or what follows the body, which may take any time.

        Raises:
            TooSlowError: the piece does not come.
        """
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout(SECONDS):
                message = await self._receive()
        except TimeoutError:
            self.is_late = True
            raise TooSlowError(f"Nothing of the body came for {SECONDS:.0f} seconds; send it again.") from None
        self._is_whole = not message.get("more_body", False)
        return message


class FormRoute(APIRoute):
    """A route that takes a form, and refuses one that is too large, whether its length is told or not.

    FastAPI's own `max_body_size` answers a length that is told with a plain text, which is no problem.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()

        async def answer_bounded(request: Request) -> Response:
            length = request.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) > _LARGEST_FORM:
                raise _too_large()
            return await answer(Request(request.scope, _bounded(request.receive)))

        return answer_bounded


def _bounded(receive: Receive) -> Receive:
    """Receives a form; it refuses the piece with which it is too large."""
    size = 0

    async def receive_bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > _LARGEST_FORM:
            raise _too_large()
        return message

    return receive_bounded


def _too_large() -> HTTPException:
    """No error of the platform: of what a form raises while it is parsed, FastAPI lets only HTTP's own through."""
    told = f"The form has more than {_LARGEST_FORM:,} bytes, the most that is taken; send its fields alone."
    return HTTPException(TooLargeError.status, told)

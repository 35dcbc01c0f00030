"""Bodies that stop: a client that goes on too late is not waited for.

Here: how long a piece of a body may take. Not here: how large a body may be, and whose is read (see `uploads`).
"""

import asyncio

from starlette.types import Message, Receive

from dataflow_assets.serving.refusals import TooSlowError

SECONDS = 30.0


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

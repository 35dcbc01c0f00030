"""Work that several requests want at the same time, done once.

Here: who shares with whom. Not here: any work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

_Result = TypeVar("_Result")


class Shared(Generic[_Result]):
    """Each caller gets a result whose making began after the call, and all who wait for the same one share it.

    So under any load one piece of work for each key is being done, and nobody gets what was read before they asked.
    """

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[_Result]] = {}
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: Hashable, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """The result of the work of that key."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.get_running_loop().create_task(self._run(key, work))
        return await asyncio.shield(task)  # which others wait for too

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[_Result]]) -> _Result:
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            del self._next[key]  # who asks from now on gets the one after this
            return await work()

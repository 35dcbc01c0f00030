"""Small answers that were given before, kept under the versions that they were made from, so that none is ever stale.

Here: keeping them, in Redis where there is one and in this process. Not here: what they are, and their versions.

Redis may go at any time: then this process keeps what it can, and asks Redis again after some seconds.
"""

import logging
import time
from collections import OrderedDict

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

LARGEST = 1024 * 1024  # bytes of what is kept
_MOST_BYTES = 64 * 1024 * 1024  # in this process
_KEPT_SECONDS = 24 * 60 * 60  # in Redis
_PATIENCE = 0.5  # seconds that Redis may take
_PAUSE = 5.0  # seconds before it is asked again when it failed
_PREFIX = "dataflow:answer:"

_log = logging.getLogger(__name__)


class Cache:
    """What was answered before, by a key that says everything on which it depends.

    Args:
        url: of Redis; None: only this process keeps anything.
    """

    def __init__(self, url: str | None) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._redis: Redis | None = None
        self._away_until = 0.0
        if url is not None:
            self._redis = Redis.from_url(
                url,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
            )

    @property
    def state(self) -> str:
        """Where answers are kept now: `redis`, `redis is away`, or `in process`."""
        if self._redis is None:
            return "in process"
        return "redis is away" if self._away_until else "redis"

    async def get(self, key: str) -> bytes | None:
        """What is kept under a key, if anything is."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = await self._ask(key)
        if found is not None:
            self._keep(key, found)
        return found

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value, unless it is large."""
        if len(value) <= LARGEST:
            self._keep(key, value)
            await self._ask(key, value)

    async def close(self) -> None:
        """Let go of Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _keep(self, key: str, value: bytes) -> None:
        self._size += len(value) - len(self._kept.pop(key, b""))
        self._kept[key] = value
        while self._size > _MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)

    async def _ask(self, key: str, value: bytes | None = None) -> bytes | None:
        if self._redis is None or time.monotonic() < self._away_until:
            return None
        try:
            if value is not None:
                await self._redis.set(_PREFIX + key, value, ex=_KEPT_SECONDS)
            found = await self._redis.get(_PREFIX + key) if value is None else None
        except (RedisError, OSError) as error:
            if not self._away_until:
                _log.warning("Redis is away (%s); answers are kept in this process alone.", type(error).__name__)
            self._away_until = time.monotonic() + _PAUSE
            return None
        if self._away_until:
            _log.info("Redis is back.")
        self._away_until = 0.0
        return found if isinstance(found, bytes) else None

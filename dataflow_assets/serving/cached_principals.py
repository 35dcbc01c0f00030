"""Who is behind a name or an API key, remembered for two seconds.

So long may pass until somebody who is disabled is out.

Here: looking up, and remembering. Not here: the tables (see `accounts` and `api_keys`).
"""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.serving.accounts import find_user
from dataflow_assets.serving.api_keys import find_owner
from dataflow_assets.serving.principals import Principal

_SECONDS = 2.0
_MOST = 10_000

_T = TypeVar("_T")
_LookUp = Callable[[Connection], Principal | None]


class Readable(Protocol):
    """A database that can be read."""

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work with a connection."""


class CachedPrincipals:
    """Looks principals up in a database; only those who are there are remembered."""

    def __init__(self, database: Readable) -> None:
        self._database = database
        self._known: dict[tuple[str, str], tuple[float, Principal]] = {}

    async def of_user(self, name: str) -> Principal | None:
        """The user of that name; None where there is none, or they are disabled."""
        return await self._find(("user", name), lambda connection: _find_by_name(connection, name))

    async def of_key(self, key: str) -> Principal | None:
        """Who may use an API key, limited to what it is for; None where nobody may."""
        return await self._find(("key", key), lambda connection: _find_by_key(connection, key))

    async def _find(
        self, place: tuple[str, str], look_up: Callable[[Connection], Principal | None]
    ) -> Principal | None:
        until, known = self._known.get(place, (0.0, None))
        if known and time.monotonic() < until:
            return known
        found = await self._database.read(look_up)
        if found is None:
            self._known.pop(place, None)
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[place] = time.monotonic() + _SECONDS, found
        return found


def _find_by_name(connection: Connection, name: str) -> Principal | None:
    account = find_user(connection, name)
    return None if account is None or account.is_disabled else account.principal


def _find_by_key(connection: Connection, key: str) -> Principal | None:
    owner = find_owner(connection, key)
    if owner is None:
        return None
    name, sources = owner
    principal = _find_by_name(connection, name)
    return principal and principal.limited_to(sources)

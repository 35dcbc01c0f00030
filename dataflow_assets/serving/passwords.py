"""Passwords: hashing and checking them by argon2, a few at a time and outside the event loop.

Here: the work, which takes half a second and 64 MiB on purpose. Not here: whose password it is (see `accounts`).
"""

import secrets
from functools import cache

import anyio
from anyio import to_thread
from pwdlib import PasswordHash

_AT_ONCE = 2
SHORTEST = 12  # characters of a password
LONGEST = 1000

_hashing = PasswordHash.recommended()


def hash_password(password: str) -> str:
    """The hash under which a password is kept."""
    return _hashing.hash(password)


class PasswordChecks:
    """Checks passwords, so many at once; the others wait."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def is_right(self, password: str, known: str | None) -> bool:
        """Whether a password is the one of this hash; without a hash the same work is done, and it is not."""
        is_same = await to_thread.run_sync(_verify, password, known, limiter=self._limiter)
        return is_same and known is not None


def _verify(password: str, known: str | None) -> bool:
    nobody = _hash_of_nobody()  # also where it is not needed, so that the first login of all tells nothing
    return _hashing.verify(password, known or nobody)


@cache
def _hash_of_nobody() -> str:
    return hash_password(secrets.token_urlsafe(32))

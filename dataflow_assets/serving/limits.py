"""How often somebody may ask.

Here: the limits, counted in this process in windows that move. Not here: who asks (see `access`).

Of the library `limits`, a storage in memory starts a thread a hundred times a second, which took a tenth of a small
answer's time.
"""

import time
from collections import deque

from dataflow_assets.serving.refusals import TooManyRequestsError

_WINDOW_SECONDS = 60
_LOGINS_OF_USER = 10
_LOGINS_OF_ADDRESS = 30


class RateLimits:
    """The limits of one server."""

    def __init__(self, requests_per_minute: int) -> None:
        self._times: dict[tuple[str, ...], deque[float]] = {}  # of what was let through, by who asked
        self._requests = requests_per_minute
        self._forget_at = 0.0

    def count_login(self, address: str, user: str) -> None:
        """Count a try to log in, whether it will succeed or not.

        Raises:
            TooManyRequestsError: there were too many for this user, or from this address.
        """
        self._count(_LOGINS_OF_ADDRESS, "logins from this address", "login", address)
        self._count(_LOGINS_OF_USER, "logins of this user", "login of", user)

    def count_request(self, name: str) -> None:
        """Count a request of somebody.

        Raises:
            TooManyRequestsError: there were too many.
        """
        self._count(self._requests, "requests", "request", name)

    def _count(self, most: int, what: str, *names: str) -> None:
        now = time.monotonic()
        times = self._times.get(names) or self._begin(names, now)
        while times and times[0] <= now - _WINDOW_SECONDS:
            times.popleft()
        if len(times) >= most:
            said = f"Too many {what}: at most {most} a minute. Try again later."
            raise TooManyRequestsError(said, _WINDOW_SECONDS)
        times.append(now)

    def _begin(self, names: tuple[str, ...], now: float) -> deque[float]:
        if now >= self._forget_at:  # those who have not asked for a while
            self._forget_at = now + _WINDOW_SECONDS
            known = self._times.items()
            self._times = {name: times for name, times in known if times and times[-1] > now - _WINDOW_SECONDS}
        return self._times.setdefault(names, deque())

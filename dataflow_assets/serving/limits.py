"""How often somebody may ask.

Here: the limits, counted in this process in windows that move. Not here: who asks (see `access`).
"""

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dataflow_assets.serving.refusals import TooManyRequestsError

_WINDOW_SECONDS = 60
_LOGINS_OF_USER = RateLimitItemPerMinute(10)
_LOGINS_OF_ADDRESS = RateLimitItemPerMinute(30)


class RateLimits:
    """The limits of one server."""

    def __init__(self, requests_per_minute: int) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests_per_minute)

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

    def _count(self, limit: RateLimitItem, what: str, *names: str) -> None:
        if not self._windows.hit(limit, *names):
            raise _too_many(what, limit)


def _too_many(what: str, limit: RateLimitItem) -> TooManyRequestsError:
    return TooManyRequestsError(f"Too many {what}: at most {limit.amount} a minute. Try again later.", _WINDOW_SECONDS)

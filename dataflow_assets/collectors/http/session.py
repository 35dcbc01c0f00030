"""Asking by HTTP: who may see the token, when to try again, and what an answer means to a user.

Here: one request. Not here: what is asked for (see `http` and `rest`).
"""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.sources.origins.http import HttpOrigin

SECONDS = (10.0, 60.0)  # to connect, and between two pieces of an answer
FIRST_WAIT = 1.0  # seconds, more each time
_TRIES = 5
_LONGEST_WAIT = 120.0  # seconds that a server may ask for
_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects alone: the library would look at the address even where it does not follow it."""


class HttpSession:
    """Requests to an origin, and to where it leads; only the origin's own host is told the token."""

    def __init__(self, origin: HttpOrigin) -> None:
        self._origin = origin
        token = secret_of(origin, "token")
        self._secret = {origin.header: origin.prefix + token} if token else {}
        self._session = _Session()
        self._session.auth = lambda request: request  # no password of a .netrc is sent

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """An answer of success, or that nothing changed (304) or that nothing is left (416); its body is not read yet.

        Raises:
            UnreachableError: no answer, or one that may be another later.
            CollectError: any other.
        """
        response = self._ask(url, headers or {})
        try:
            yield response
        except (requests.RequestException, HTTPError, OSError) as error:
            raise UnreachableError(f"The answer of {self._origin.address} broke off ({words_of(error)}).") from None
        finally:
            response.close()

    def lead(self, url: str, there: str) -> str:
        """The address to which another one leads; with TLS where it is of the same host and lacks it.

        Raises:
            CollectError: it is none of HTTP, or one without TLS where the first has it.
        """
        try:
            found = urljoin(url, there)
            scheme, host, _ = _host(found)
        except ValueError:
            scheme, host = "", None
        if scheme not in ("http", "https") or not host:
            raise CollectError(f"{self._origin.address} leads to what is no address of HTTP; ask who runs it.")
        if scheme == "https" or urlsplit(url).scheme != "https":
            return found
        if _host(found)[1:] == _host(url)[1:]:
            return f"https{found[4:]}"
        raise CollectError(f"{self._origin.address} leads to an address without TLS; it is not followed.")

    def _ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        for tried in range(1, _TRIES + 1):
            try:
                response = self._follow(url, headers)
            except requests.exceptions.SSLError as error:
                raise CollectError(f"{self._origin.address} has a wrong certificate ({words_of(error)}).") from None
            except requests.RequestException as error:
                if is_unknown_host(error):
                    reason = f"there is no such host ({words_of(error)}); correct its url"
                    raise CollectError(f"{self._origin.address} cannot be reached: {reason}.") from None
                problem, wait = f"{self._origin.address} cannot be reached ({words_of(error)}).", FIRST_WAIT * tried
            else:
                status = response.status_code
                if status < 400 or status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return response
                response.close()
                if status < 500 and status not in _PASSING:
                    raise CollectError(f"{self._origin.address} {_meaning(status)}.")
                problem, wait = f"{self._origin.address} {_meaning(status)}.", _wait(response, FIRST_WAIT * tried)
            if tried < _TRIES and wait <= _LONGEST_WAIT:
                time.sleep(wait)
            else:
                break
        raise UnreachableError(problem)

    def _follow(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """An answer that leads nowhere else."""
        for _ in range(_REDIRECTS):
            mine = _host(url) == _host(self._origin.url)
            sent = {"Accept-Encoding": "identity", **(self._origin.headers if mine else {}), **headers}
            response = self._session.get(
                url,
                headers={**sent, **(self._secret if mine else {})},
                stream=True,
                timeout=SECONDS,
                allow_redirects=False,
            )
            if not response.is_redirect:
                return response
            response.close()
            url = self.lead(url, response.headers["Location"])
        raise CollectError(f"{self._origin.address} leads from one address to the next without an end.")


def words_of(error: BaseException) -> str:
    """Why a request failed: what was at the root of it. What the library says quotes the address, secrets and all."""
    return str(_root_of(error)) or type(error).__name__


def is_unknown_host(error: BaseException) -> bool:
    """Whether a name was not found, for good."""
    root = _root_of(error)
    return isinstance(root, socket.gaierror) and root.errno != socket.EAI_AGAIN


def _root_of(error: BaseException) -> BaseException:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, None if parts.port == _PORTS.get(parts.scheme) else parts.port


def _meaning(status: int) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return f"does not let us in ({status}): the token is missing, wrong or not enough"
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return f"is not there ({status}): correct its url"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return f"has had too many requests ({status}); it is asked again later"
    return f"answers with an error ({status})"


def _wait(response: requests.Response, otherwise: float) -> float:
    """The seconds after which the server wants to be asked again."""
    said = response.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return otherwise

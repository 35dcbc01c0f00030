"""What every answer gets: an id, its time, headers that keep browsers careful, and a line in the log.

A pure ASGI middleware, which passes streams on as they come.

Here: the outermost part of the app. Not here: what is answered.
"""

import itertools
import re
import secrets
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataflow_assets.errors import NotFoundError
from dataflow_assets.serving.bodies import TimedBody
from dataflow_assets.serving.http_metrics import HttpMetrics
from dataflow_assets.serving.logs import log_access, route_of
from dataflow_assets.serving.problems import answer_error

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Control characters, and what stands for bytes that are no text: two paths would mean the same, or one a part of it.
_NO_PATH = re.compile("[\x00-\x1f\x7f\ufffd]")
_CLIENT_GONE = 499  # as nginx calls it
_SECURITY = (  # names of headers are lower case here, as in all of ASGI
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_NO_PAGE = (
    b"content-security-policy",
    b"default-src 'none'; frame-ancestors 'none'",
)  # a page says what it needs itself


@dataclass
class _Answer:
    """What became of a request so far; `status` is 0 before anything was sent."""

    status: int = 0
    size: int = 0
    is_whole: bool = False


class RequestMiddleware:
    """Wraps an app."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._process, self._numbers = secrets.token_hex(8), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, answer, body = time.perf_counter(), _Answer(), TimedBody(receive)
        given = Headers(scope=scope).get("X-Request-ID", "")
        scope["request_id"] = request_id = (
            given if _REQUEST_ID.fullmatch(given) else f"{self._process}-{next(self._numbers)}"
        )

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                _add_headers(message, request_id, time.perf_counter() - start, closes=body.is_late)
            elif message["type"] == "http.response.body":
                answer.size += len(message.get("body", b""))
                answer.is_whole = not message.get("more_body", False)
            await send(message)

        try:
            if _NO_PATH.search(scope["path"]):
                raise NotFoundError("Nothing is at a path that holds a control character, or what is no UTF-8.")
            await self._app(scope, body.receive, send_on)
        except ClientDisconnect:
            answer.status = answer.status or _CLIENT_GONE
        except Exception as error:
            problem = answer_error(request_id, error)
            if answer.status:  # what was sent so far must not look whole
                raise
            await problem(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - start
            log_access(scope, answer.status, answer.size, seconds, is_whole=answer.is_whole)
            self._metrics.count(scope["method"], route_of(scope), answer.status, seconds, is_whole=answer.is_whole)


def _add_headers(message: Message, request_id: str, seconds: float, *, closes: bool) -> None:
    headers = list(message["headers"])
    given = dict(headers)
    headers += [pair for pair in _SECURITY if pair[0] not in given]
    if _NO_PAGE[0] not in given and not given.get(b"content-type", b"").startswith(b"text/html"):
        headers.append(_NO_PAGE)
    headers.append((b"x-request-id", request_id.encode()))
    headers.append((b"server-timing", b"app;dur=%.1f" % (seconds * 1000)))
    if closes:
        headers.append((b"connection", b"close"))
    message["headers"] = headers

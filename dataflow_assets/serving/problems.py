"""What a failed request is answered: a problem (RFC 9457) with a status, a stable code and a sentence.

Here: the status of each error, and the answers. Not here: raising them. A refusal tells its sentence, whatever its
status: it says what the client should do. Any other error of 500 and above tells nothing of what is inside; the log
does, under the same request id.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from adbc_driver_manager import Error as AdbcError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError as StoreError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from dataflow_assets import errors
from dataflow_assets.core.files import DiskFullError
from dataflow_assets.core.time_windows import WindowError
from dataflow_assets.landing.deliveries import ObjectNameError
from dataflow_assets.landing.events import NotificationError
from dataflow_assets.postgres.failures import LOST_CONNECTION, is_refused_write
from dataflow_assets.serving.refusals import RefusalError, TooLargeError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

# Each class of the platform's errors; a class that is not here has the status of the one that it derives from.
STATUSES: Mapping[type[errors.DataFlowError], int] = {
    errors.SettingsError: 500,
    errors.DeclarationError: 500,
    errors.UsageError: 400,
    errors.NotFoundError: 404,
    errors.FormatError: 422,
    errors.QuarantinedError: 409,
    errors.SchemaMismatchError: 500,
    errors.QueryError: 400,
    errors.WarehouseUnavailableError: 503,
    errors.WarehouseMismatchError: 503,
    errors.LakeMismatchError: 503,
    errors.BackupError: 500,
    errors.LockTimeoutError: 503,
    errors.ConflictError: 409,
    errors.RunFailedError: 500,
    DiskFullError: 507,
    NotificationError: 422,
    ObjectNameError: 422,
    WindowError: 400,
}
_LATER = (errors.WarehouseUnavailableError, errors.LockTimeoutError, errors.ConflictError)
_UNAVAILABLE = "The platform's database cannot be reached or used; try again later."
_NO_STORE = "The platform's object store cannot be reached or used; try again later."
_INTERNAL = "The server failed; its log has the cause under this request id."
_FULL = "The server's disk is full. Nothing was half written: send it again once there is space; the log says where."
_TOLD = {503: _UNAVAILABLE, 507: _FULL}  # of failures of the server, by status; of any other: that it failed

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(description="stable, for programs", examples=["not_found"])
    detail: str = Field(examples=["There is no source 'films'; the sources are authors, books, movies."])
    request_id: str | None = Field(description="names this request in the server's log")
    errors: list[dict[str, Any]] | None = Field(None, description="of parameters or a body: what is wrong where")


def status_of(error: errors.DataFlowError) -> int:
    """The HTTP status of an error of the platform."""
    if isinstance(error, RefusalError):
        return error.status
    known = (STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    return next(known, 500)


def is_lost_connection(error: AdbcError) -> bool:
    """Whether the connection to the database failed, rather than the statement."""
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(LOST_CONNECTION) or (not state and "connection" in str(error).lower())


def answer_problem(
    request_id: str | None,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    found: list[dict[str, Any]] | None = None,
) -> JSONResponse:
    """A problem as an answer."""
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, code=code, detail=detail, request_id=request_id, errors=found)
    return JSONResponse(
        problem.model_dump(exclude_none=True), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def answer_error(request_id: str | None, error: Exception) -> JSONResponse:
    """What an error of any kind is answered; what nobody outside should read is logged instead."""
    if isinstance(error, AdbcError) and is_lost_connection(error):
        error = errors.WarehouseUnavailableError(str(error))
    elif is_refused_write(error):
        error = errors.WarehouseReadOnlyError(str(error))
    if isinstance(error, StoreError):
        _log.error("request %s failed: %s", request_id, error)
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return answer_problem(request_id, 503, "storage_unavailable", _NO_STORE, headers)
    if not isinstance(error, errors.DataFlowError):
        _log.error("request %s failed", request_id, exc_info=error)
        return answer_problem(request_id, 500, "internal", _INTERNAL)
    status = status_of(error)
    if isinstance(error, RefusalError):
        return answer_problem(request_id, status, error.code, str(error), error.headers)
    headers = {"Retry-After": str(RETRY_SECONDS)} if isinstance(error, _LATER) else {}
    detail = str(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request %s failed: %s", request_id, detail)
        detail = _TOLD.get(status, _INTERNAL)
    return answer_problem(request_id, status, error.code, detail, headers)


def request_id_of(request: Request) -> str | None:
    """The id of a request, which the middleware gave it."""
    found = request.scope.get("request_id")
    return str(found) if found else None


def _allowed_methods(app: FastAPI, request: Request) -> list[str]:
    """The methods that there is a route for; each route knows its own alone."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in app.routes)
    ]


def add_problems(app: FastAPI) -> None:
    """Answer every failure of an app with a problem; what is no error of the platform, the middleware answers."""

    @app.exception_handler(errors.DataFlowError)
    @app.exception_handler(AdbcError)
    @app.exception_handler(StoreError)
    async def answer_platform_error(request: Request, error: Exception) -> JSONResponse:
        return answer_error(request_id_of(request), error)

    @app.exception_handler(HTTPException)
    async def answer_http(request: Request, error: HTTPException) -> JSONResponse:
        is_large, headers = error.status_code == TooLargeError.status, dict(error.headers or {})
        code = TooLargeError.code if is_large else HTTPStatus(error.status_code).name.lower()  # which Python renamed
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = "There is no such route; /docs describes all."
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed_methods(app, request))
            detail = f"This route takes {headers['Allow']}, not {request.method}."
        return answer_problem(request_id_of(request), error.status_code, code, detail, headers)

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input: it may be a password.
        said = [(list(one["loc"]), str(one["msg"]).removeprefix("Value error, ")) for one in error.errors()]
        found = [{"where": where, "what": what} for where, what in said]
        told = (f"{'.'.join(map(str, where[1:] or where))}: {what}" for where, what in said)
        detail = f"The request cannot be used as it is: {'; '.join(told)}."
        return answer_problem(request_id_of(request), 422, "invalid", detail, found=found)

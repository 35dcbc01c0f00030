"""What the server says on standard error, in the form of the whole platform.

Here: its lines, and one for each request. Not here: what is masked (see `core.logging`).
"""

import logging
import sys
from datetime import UTC, datetime

from starlette.types import Scope

from dataflow_assets.core.logging import format_line, is_terminal, json_line, mask_process
from dataflow_assets.settings import Settings

_access = logging.getLogger("dataflow.access")


class _Lines(logging.Formatter):
    def __init__(self, *, in_terminal: bool) -> None:
        super().__init__()
        self._in_terminal = in_terminal

    def format(self, record: logging.LogRecord) -> str:
        event = super().format(record)
        if self._in_terminal:
            return format_line(event, record.levelno)
        time = datetime.fromtimestamp(record.created, UTC)
        return json_line(time, record.levelno, record.name, event, **getattr(record, "known", {}))


def set_up_logs(settings: Settings) -> None:
    """Say everything as lines on standard error, without secrets."""
    mask_process(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(in_terminal=is_terminal()))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in ("alembic", "uvicorn"):  # they tell of each step
        logging.getLogger(name).setLevel(logging.WARNING)


def route_of(scope: Scope) -> str:
    """The pattern of the path that a request was routed by."""
    return getattr(scope.get("route"), "path", None) or "no route"


def log_access(scope: Scope, status: int, size: int, seconds: float, *, is_whole: bool) -> None:
    """Say who asked for which route and what became of it; no value of a path, a query or a header."""
    route = route_of(scope)
    known = {
        "request": scope.get("request_id"),
        "user": scope.get("principal"),
        "method": scope["method"],
        "route": route,
        "status": str(status),
        "bytes": str(size),
        "milliseconds": f"{seconds * 1000:.1f}",
        "broken": None if is_whole else "true",
    }
    _access.info("%s %s %d", scope["method"], route, status, extra={"known": known})

"""What the OpenAPI document says of failures.

Here: the problems that any route may answer, described once. Not here: what a route says of itself.
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dataflow_assets.serving.problems import MEDIA_TYPE, Problem
from dataflow_assets.serving.reading.document import expand
from dataflow_assets.serving.state import ServingState

_COMMON = (400, 401, 403, 404, 406, 408, 409, 412, 413, 415, 422, 429, 500, 503, 505, 507)

_content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": _content} for status in _COMMON
}


def describe(app: FastAPI) -> None:
    """Describe the app, with the problem as one of its components."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas[Problem.__name__] = Problem.model_json_schema()
            state: ServingState = app.state.serving
            expand(found, state.tables, state.answer_tables, state.ledger_tables, state.sources)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]

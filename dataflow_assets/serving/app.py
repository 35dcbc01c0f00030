"""The app: every route, and what all of them share.

Here: putting it together from the settings. Not here: the routes (a module of `routes` each), and the server that runs
it (see `server`).
"""

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute, iter_route_contexts

from dataflow_assets.serving.middleware import RequestMiddleware
from dataflow_assets.serving.openapi import PROBLEMS, describe
from dataflow_assets.serving.problems import add_problems
from dataflow_assets.serving.routes import all_routers
from dataflow_assets.serving.state import open_state
from dataflow_assets.settings import Settings, load_settings

_EXPOSED = ["ETag", "Link", "Location", "Retry-After", "Server-Timing", "X-Request-ID"]
_TAKEN = ["Authorization", "Content-Digest", "Content-Type", "Idempotency-Key", "If-None-Match", "X-API-Key"]


def build_app(settings: Settings) -> FastAPI:
    """The app of one set of settings.

    Raises:
        DataFlowError: the database or the object store is not fit for use.
    """
    state = open_state(settings)
    app = FastAPI(
        title="DataFlow Assets",
        version=version("dataflow-assets"),
        docs_url=None,  # the page is ours (see `routes.page`)
        redoc_url=None,
        generate_unique_id_function=_name_of,
        responses=PROBLEMS,
        telemetry={"tracing": False, "logs": False},  # both would hold the values of a query
    )
    app.state.serving = state
    for router in all_routers():
        app.include_router(router)
    for _ in iter_route_contexts(app.routes):
        pass  # FastAPI makes each one when it is looked at: now, and not while somebody waits
    add_problems(app)
    describe(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins.split(","),
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=_TAKEN,
            expose_headers=_EXPOSED,
        )
    app.add_middleware(RequestMiddleware, metrics=state.http_metrics)
    return app


def create_app() -> FastAPI:
    """The app of the environment's settings: what `uvicorn --factory` and `fastapi` start."""
    return build_app(load_settings())


def _name_of(route: APIRoute) -> str:
    return route.name

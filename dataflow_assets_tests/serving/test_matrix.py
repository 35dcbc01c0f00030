"""Who may use which route: every route of the app, asked by everybody.

Here: one table, which a new route must extend. Not here: what a route answers to those who may.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2
import jwt
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.routes import all_routers
from dataflow_assets.serving.state import ServingState
from dataflow_assets.settings import load_settings, variable_names
from dataflow_assets_tests.serving.factories import UserFactory, make_key

OPEN, READER, WRITER, ADMIN = "open", "reader", "writer", "admin"


@dataclass(frozen=True)
class Request:
    """How a route is asked, who may, and what it answers to those; `of_source` where it is about movies alone."""

    who: str
    status: int
    path: str | None = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    of_source: bool = False


CSV = b"title,duration_mins,original_language,size_mb\nRust,90,en,700\n"

EVENT = b'{"event_type": "create", "key": "/buckets/any/landing/movies/2021-12-05/movies.csv"}'

# Every route, by method and path. What an open route answers, it answers to everybody.
ROUTES = {
    "GET /": Request(OPEN, 200),
    "GET /page.css": Request(OPEN, 200),
    "GET /page.js": Request(OPEN, 200),
    "GET /docs": Request(OPEN, 200),
    "GET /docs.js": Request(OPEN, 200),
    "GET /swagger-ui.css": Request(OPEN, 200),
    "GET /swagger-ui.js": Request(OPEN, 200),
    "GET /health": Request(OPEN, 200),
    "GET /metrics": Request(READER, 200, of_source=True),
    "POST /v1/token": Request(OPEN, 401, form={"grant_type": "refresh_token", "refresh_token": "none"}),
    "POST /v1/token/revoke": Request(OPEN, 204, form={"token": "none"}),
    "GET /v1/me": Request(READER, 200),
    "GET /v1/tables": Request(READER, 200),
    "GET /v1/tables/{table}": Request(READER, 200, "/v1/tables/movies", of_source=True),
    "GET /v1/tables/{table}/rows": Request(READER, 200, "/v1/tables/movies_history/rows", of_source=True),
    "GET /v1/answers": Request(READER, 200),
    "GET /v1/answers/{answer}": Request(READER, 200, "/v1/answers/engaged_users", of_source=True),
    "GET /v1/charts": Request(READER, 200),
    "GET /v1/questions/{answer}": Request(READER, 200, "/v1/questions/engaged_users", of_source=True),
    "GET /v1/deliveries": Request(READER, 200),
    "GET /v1/rejects": Request(READER, 200),
    "GET /v1/explain/{source}": Request(READER, 404, "/v1/explain/movies?title=Rust", of_source=True),
    "PUT /v1/landing/{source}/{day}/{name:path}": Request(
        WRITER, 200, "/v1/landing/movies/2021-12-05/movies.csv", body=CSV, of_source=True
    ),
    "GET /v1/landing/{source}/{day}/{name:path}": Request(
        READER, 200, "/v1/landing/movies/2021-12-05/movies.csv", of_source=True
    ),
    "POST /v1/landing/events": Request(WRITER, 202, body=EVENT, of_source=True),
    "POST /v1/sources/{source}/records": Request(
        WRITER, 202, "/v1/sources/movies/records", body=CSV, headers={"Content-Type": "text/csv"}, of_source=True
    ),
}

# Everybody who asks: what they show, and up to which routes they come; None: a wrong proof, with which nobody gets in.
CALLERS: dict[str, str | None] = {
    "nobody": None,
    "an expired token": None,
    "a token with a wrong signature": None,
    "a token without a signature": None,
    "a token of a user who was removed": None,
    "an API key that expired": None,
    "an API key with a wrong secret": None,
    "a disabled user": None,
    "a key of a disabled user": None,
    "a reader": READER,
    "a writer": WRITER,
    "an admin": ADMIN,
    "a reader's key": READER,
    "a writer's key": WRITER,
    "a writer's key as a bearer": WRITER,
    "a writer's key of another source": WRITER,
    "a writer of another source": WRITER,
}
_ORDER = [OPEN, READER, WRITER, ADMIN]


def routes() -> Iterator[str]:
    """Every route of the app, as the table names it."""
    for router in all_routers():
        for route in router.routes:
            assert isinstance(route, APIRoute)
            assert route.methods
            yield from (f"{method} {route.path}" for method in sorted(route.methods))


def expected_status(route: Request, caller: str) -> int:
    """What a caller is answered."""
    comes_to = CALLERS[caller]
    if route.who == OPEN:
        return route.status
    if comes_to is None:
        return 401
    if _ORDER.index(comes_to) < _ORDER.index(route.who) or (route.of_source and "another source" in caller):
        return 403
    return route.status


@pytest.fixture(scope="module")
def app(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with pytest.MonkeyPatch.context() as environment:
        for name in variable_names():
            environment.delenv(name, raising=False)
        environment.setenv("DATAFLOW_HOME", str(tmp_path_factory.mktemp("matrix") / "home"))
        environment.setenv("DATABASE_URL", module_database_url)
        yield build_app(load_settings())


@pytest.fixture(scope="module")
def callers(app: FastAPI) -> dict[str, dict[str, str]]:
    """The headers of every caller, and a movie that has landed."""
    state: ServingState = app.state.serving
    url, keys = state.database.url, state.keys
    for role in Role:
        UserFactory.create(url=url, name=role.value, role=role)
    UserFactory.create(url=url, name="disabled", role=Role.ADMIN, is_disabled=True)
    UserFactory.create(url=url, name="player", role=Role.WRITER, sources=["streams"])
    key = make_key(url, "writer")
    claims = {"sub": "admin", "iat": datetime.now(UTC), "exp": datetime.now(UTC) + timedelta(hours=1), "jti": "1"}
    kid = jwt.get_unverified_header(keys.sign("admin"))["kid"]
    forged = jwt.encode(claims, "x" * 32, "HS256", headers={"kid": kid})
    tokens = {
        "an expired token": keys.sign("admin", timedelta(seconds=-1)),
        "a token with a wrong signature": forged,
        "a token without a signature": jwt.encode(claims, "", "none", headers={"kid": kid}),
        "a token of a user who was removed": keys.sign("gone"),
        "a disabled user": keys.sign("disabled"),
        "a reader": keys.sign("reader"),
        "a writer": keys.sign("writer"),
        "an admin": keys.sign("admin"),
        "a writer of another source": keys.sign("player"),
    }
    api_keys = {
        "an API key that expired": make_key(url, "admin", lifetime=timedelta(seconds=-1)),
        "an API key with a wrong secret": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "a key of a disabled user": make_key(url, "disabled"),
        "a reader's key": make_key(url, "reader"),
        "a writer's key": key,
        "a writer's key of another source": make_key(url, "writer", ["streams"]),
    }
    tokens["a writer's key as a bearer"] = key
    by_token = {caller: {"Authorization": f"Bearer {token}"} for caller, token in tokens.items()}
    return {"nobody": {}, **by_token, **{caller: {"X-API-Key": key} for caller, key in api_keys.items()}}


def test_every_route_is_in_the_table() -> None:
    assert sorted(ROUTES) == sorted(routes())


def test_every_caller_has_something_to_show(callers: dict[str, dict[str, str]]) -> None:
    assert sorted(CALLERS) == sorted(callers)


@pytest.mark.parametrize("route", ROUTES)
async def test_a_route_lets_in_whom_it_should(app: FastAPI, callers: dict[str, dict[str, str]], route: str) -> None:
    method, path = route.split(" ")
    request = ROUTES[route]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:

        async def ask(caller: str) -> int:
            headers = request.headers | callers[caller]
            answer = await client.request(
                method, request.path or path, content=request.body, data=request.form, headers=headers
            )
            return answer.status_code

        landed = "/v1/landing/movies/2021-12-05/movies.csv"
        await client.put(landed, content=CSV, headers=callers["an admin"])
        found = {caller: await ask(caller) for caller in CALLERS}
    assert found == {caller: expected_status(request, caller) for caller in CALLERS}

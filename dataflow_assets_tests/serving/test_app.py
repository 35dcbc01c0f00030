"""What every answer of the app has in common."""

import httpx2
import pytest
from fastapi import FastAPI

from dataflow_assets.core.files import DiskFullError
from dataflow_assets.errors import NotFoundError, WarehouseUnavailableError
from dataflow_assets.serving.access import Admin, Reader
from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.refusals import RefusalError
from dataflow_assets.settings import load_settings


async def test_health_is_open_and_says_that_all_is_well(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "answers_kept": "in process"})


async def test_an_answer_has_an_id_its_time_and_the_headers_that_keep_browsers_careful(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/health", headers={"X-Request-ID": "from-a-proxy"})
    assert answer.headers["X-Request-ID"] == "from-a-proxy"
    assert answer.headers["Server-Timing"].startswith("app;dur=")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_an_id_that_is_none_is_replaced(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health", headers={"X-Request-ID": "one two"})
    assert answer.headers["X-Request-ID"] != "one two"


async def test_an_unknown_route_and_a_wrong_method_are_problems(client: httpx2.AsyncClient) -> None:
    for method, path, status, code, detail in (
        ("GET", "/v1/nothing", 404, "not_found", "There is no such route; /docs describes all."),
        ("PUT", "/health", 405, "method_not_allowed", "This route takes GET, not PUT."),
    ):
        answer = await client.request(method, path)
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
        assert (problem["detail"], problem["request_id"]) == (detail, answer.headers["X-Request-ID"])


async def test_a_wrong_method_is_told_which_there_are(client: httpx2.AsyncClient) -> None:
    answer = await client.delete("/v1/landing/movies/2021-12-05/movies.csv")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PUT")


async def test_nobody_waits_until_routes_are_made(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(path: str) -> None:
        raise AssertionError(f"{path} is made within a request")

    monkeypatch.setattr("fastapi.routing.compile_path", make)
    assert (await client.post("/v1/sources/movies/records")).status_code == 401
    assert (await client.get("/v1/tables")).status_code == 401


@pytest.mark.usefixtures("settings")
async def test_pages_of_the_sites_that_are_named_may_ask_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example,https://b.example")
    transport = httpx2.ASGITransport(build_app(load_settings()))
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "Authorization, Idempotency-Key"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for origin, may in (("https://a.example", True), ("https://b.example", True), ("https://c.example", False)):
            before = await client.options("/v1/me", headers={"Origin": origin, **asks})
            assert before.status_code == (200 if may else 400)
            assert (before.headers.get("Access-Control-Allow-Origin") == origin) is may
            refused = await client.get("/v1/me", headers={"Origin": origin})
            assert refused.status_code == 401
            assert (refused.headers.get("Access-Control-Allow-Origin") == origin) is may
            assert "Access-Control-Allow-Credentials" not in refused.headers


async def test_no_other_page_may_ask_unless_it_is_named(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health", headers={"Origin": "https://a.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_an_error_of_the_platform_is_a_problem_with_its_code_and_sentence(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    @app.get("/fails")
    async def fail() -> None:
        raise NotFoundError("There is no such thing.")

    problem = (await client.get("/fails")).json()
    assert problem == problem | {"status": 404, "code": "not_found", "detail": "There is no such thing."}


async def test_a_bug_tells_nothing_of_what_is_inside(app: FastAPI, client: httpx2.AsyncClient) -> None:
    @app.get("/fails")
    async def fail() -> None:
        raise ZeroDivisionError("hunter2")

    answer = await client.get("/fails")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_database_that_is_away_is_told_without_its_address(app: FastAPI, client: httpx2.AsyncClient) -> None:
    @app.get("/fails")
    async def fail() -> None:
        raise WarehouseUnavailableError("PostgreSQL at secret.example:5432/db cannot be reached")

    answer = await client.get("/fails")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "secret.example" not in answer.text


async def test_a_full_disk_is_told_with_what_to_do_and_without_its_folders(
    app: FastAPI, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/fails")
    async def fail() -> None:
        raise DiskFullError("A disk is full: 0.0 MB are free under /srv/secret.")

    answer = await client.get("/fails")
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert "disk is full" in answer.json()["detail"]
    assert "send it again" in answer.json()["detail"]
    assert "/srv/secret" not in answer.text
    assert "/srv/secret" in caplog.text


async def test_a_refusal_of_any_status_tells_its_sentence_and_is_no_failure_of_the_server(
    app: FastAPI, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = {kind.code: kind for kind in RefusalError.__subclasses__()}

    @app.get("/refuses/{code}")
    async def refuse(code: str) -> None:
        error = RefusalError.__new__(kinds[code])
        RefusalError.__init__(error, f"Do something about {code}.")
        raise error

    for code, kind in kinds.items():
        answer = await client.get(f"/refuses/{code}")
        assert (answer.status_code, answer.json()["code"]) == (kind.status, code)
        assert answer.json()["detail"] == f"Do something about {code}."
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_nobody_gets_in_without_a_token_and_a_reader_not_where_admins_go(
    app: FastAPI, client: httpx2.AsyncClient, reader: dict[str, str]
) -> None:
    @app.get("/for-readers")
    async def read(who: Reader) -> str:
        return who.name

    @app.get("/for-admins")
    async def administer(who: Admin) -> str:
        return who.name

    assert (await client.get("/for-readers")).status_code == 401
    assert (await client.get("/for-readers", headers=reader)).json().startswith("user-")
    refused = await client.get("/for-admins", headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")

"""Questions over any window and where rows came from, over HTTP; and the document that says what can be asked."""

from datetime import date, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.postgres.connection import connect
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.routes import questions
from dataflow_assets.serving.state import ServingState
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.landing.stores import FIRST_DAY, land
from dataflow_assets_tests.serving.factories import UserFactory
from dataflow_assets_tests.serving.reading.builders import load_rows, streams
from dataflow_assets_tests.warehouse.builders import STREAMS, ask

Headers = dict[str, str]
DAY = date(2021, 12, 1)
FILE = (
    "movie_title,user_email,size_mb,start_at,end_at\n"
    "Heat,a@x.example,2000,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
    "Heat,b@x.example,1000,2021-12-01T12:00:00Z,2021-12-01T14:00:00Z\n"
    "Heat,c@x.example,-1,2021-12-01T12:00:00Z,2021-12-01T14:00:00Z\n"
)


@pytest.fixture
def landed(state: ServingState) -> None:
    """Two sessions in the lake and the warehouse, and a rejected one in the lake."""
    delivery = land(state.storage, STREAMS, "a.csv", FILE)
    taken = ingest(state.storage, STREAMS, delivery.object, "UTC", first_day=FIRST_DAY)
    assert taken is not None
    with connect(state.database.url) as connection:
        load_day(connection, STREAMS, rows_table(state.storage, STREAMS).scan(taken.version), taken.version, DAY, "UTC")


@pytest.mark.usefixtures("landed")
async def test_a_question_is_answered_over_any_window_and_kept(
    client: httpx2.AsyncClient, reader: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/questions/average_session"
    answer = await client.get(path, headers=reader)
    assert answer.json() == {
        "timezone": "UTC",
        "from": "2021-12-01T00:00:00+00:00",
        "to": "2021-12-02T00:00:00+00:00",
        "sessions": 2,
        "average_session_seconds": 5400.0,
        "lines": [
            {"title": "Sessions", "value": "2"},
            {"title": "Average session", "value": "5,400.00 seconds"},
        ],
    }
    narrower = await client.get(f"{path}?from=2021-12-01T11:00:00Z", headers=reader)
    assert narrower.json()["average_session_seconds"] == 7200.0
    monkeypatch.setattr(questions, "ask", None)  # nothing is computed again
    assert (await client.get(path, headers=reader)).content == answer.content
    known = await client.get(path, headers={**reader, "If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304


async def test_a_question_is_answered_over_the_last_days_with_sessions(
    client: httpx2.AsyncClient, state: ServingState, reader: Headers
) -> None:
    path = "/v1/questions/average_session"
    assert (await client.get(f"{path}?days=7", headers=reader)).json()["from"] is None
    for number in range(10):
        load_rows(state.database.url, STREAMS, streams(1, DAY + timedelta(days=number)))
    last = (await client.get(f"{path}?days=7", headers=reader)).json()
    assert (last["sessions"], last["from"][:10], last["to"][:10]) == (7, "2021-12-04", "2021-12-11")
    whole = (await client.get(f"{path}?days=366", headers=reader)).json()
    assert (whole["sessions"], whole["from"][:10], whole["to"][:10]) == (10, "2021-12-01", "2021-12-11")
    engaged = (await client.get("/v1/questions/engaged_users?days=3", headers=reader)).json()["engaged_users"]
    assert (engaged["from"][:10], engaged["to"][:10]) == ("2021-12-08", "2021-12-11")
    for query in ("days=0", "days=3661", "days=1_0", "days=", "days=7&from=2021-12-01", "days=7&days=8"):
        assert (await client.get(f"{path}?{query}", headers=reader)).status_code == 422


@pytest.mark.usefixtures("landed")
async def test_a_question_with_a_window_and_options_of_its_own(client: httpx2.AsyncClient, reader: Headers) -> None:
    path = "/v1/questions/sessions_in_progress?outage_movie=heat&outage_from=2021-12-01T10:30:00Z&outage_to=2021-12-02"
    found = (await client.get(path, headers=reader)).json()
    assert found["outage"]["users"] == 2
    assert "engaged_users" not in found


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("nothing", 404, "the questions are average_session"),
        ("average_session?colour=red", 422, "has no option 'colour'; it has from, to"),
        ("average_session?from=2021-12-01&from=2021-12-02", 422, "is given twice"),
        ("average_session?from=yesterday", 400, "'yesterday' is not a time"),
        ("average_session?from=2021-12-02&to=2021-12-01", 400, "ends"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    client: httpx2.AsyncClient, reader: Headers, path: str, status: int, said: str
) -> None:
    answer = await client.get(f"/v1/questions/{path}", headers=reader)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


async def test_a_question_needs_every_source_that_it_reads(client: httpx2.AsyncClient, state: ServingState) -> None:
    user = UserFactory.create(url=state.database.url, role=Role.READER, sources=["streams"])
    headers = {"Authorization": f"Bearer {state.keys.sign(user.name)}"}
    assert (await client.get("/v1/questions/average_session", headers=headers)).status_code == 200
    assert (await client.get("/v1/questions/engaged_users", headers=headers)).status_code == 403


@pytest.mark.usefixtures("landed")
async def test_a_row_is_explained(client: httpx2.AsyncClient, reader: Headers) -> None:
    found = (await client.get("/v1/explain/streams?user_email=a@x.example", headers=reader)).json()
    [origin] = found["origins"]
    assert (origin["object"], origin["position"], origin["fate"]) == (
        "landing/streams/2021-12-01/a.csv",
        0,
        "in the table",
    )
    assert found["keys"][0]["start_at"] == "2021-12-01T10:00:00+00:00"
    both = (await client.get("/v1/explain/streams?movie_title=Heat", headers=reader)).json()
    assert (len(both["keys"]), both["origins"]) == (2, [])
    rejected = (await client.get("/v1/explain/streams?user_email=c@x.example", headers=reader)).json()
    assert [(reject["line"], reject["raw"].startswith("Heat,c@x.example")) for reject in rejected["rejects"]] == [
        (4, True)
    ]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("size_mb=1", 422),
        ("movie_title=a&movie_title=b", 422),
        ("movie_title=None", 404),
        ("start_at=x", 404),
    ],
)
async def test_what_cannot_be_explained_is_refused(
    client: httpx2.AsyncClient, reader: Headers, query: str, status: int
) -> None:
    assert (await client.get(f"/v1/explain/streams?{query}", headers=reader)).status_code == status


async def test_the_document_has_each_table_answer_and_question_with_its_own_columns(
    app: FastAPI, client: httpx2.AsyncClient, state: ServingState
) -> None:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    paths = document["paths"]
    for name in state.tables:
        assert {f"/v1/tables/{name}", f"/v1/tables/{name}/rows"} <= paths.keys()
    for name, answer in state.answers.items():
        assert f"/v1/answers/{name}" in paths
        assert (f"/v1/questions/{name}" in paths) == bool(answer.question)
    assert not [path for path in paths if path.startswith(("/v1/tables/{", "/v1/answers/{", "/v1/explain/{"))]
    parameters = {one["name"]: one for one in paths["/v1/tables/streams/rows"]["get"]["parameters"]}
    assert parameters["start_at.gte"]["schema"]["format"] == "date-time"
    assert parameters["columns"]["schema"]["items"]["enum"][:3] == ["id", "event_day", "movie_title"]
    content = paths["/v1/tables/streams/rows"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["items"]["properties"]["movie_title"]["type"] == "string"
    assert set(content) == {
        "application/json",
        "application/x-ndjson",
        "text/csv",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.parquet",
    }
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(names)) == len(names)


async def test_deliveries_are_told_with_what_became_of_them(
    client: httpx2.AsyncClient, state: ServingState, reader: Headers
) -> None:
    ask(
        state.database.url,
        "INSERT INTO ledger.deliveries (delivery, lake_version, source, day, object, etag, size, last_modified, state, "
        "delivered, accepted, rejected, event_days, repaired) "
        "VALUES (7, 1, 'streams', '2021-12-01', 'o', 'e', 1, now(), 'accepted', "
        "3, 2, 1, '{2021-12-01}', '{\"line_ends\": 2}')",
    )
    [found] = (await client.get("/v1/deliveries?source=streams&state=accepted&order=-day", headers=reader)).json()
    assert (found["rejected"], found["event_days"], found["repaired"]) == (1, ["2021-12-01"], {"line_ends": 2})
    assert (await client.get("/v1/deliveries?state=rejected", headers=reader)).json() == []


@pytest.mark.parametrize("path", ["/v1/tables", "/v1/tables/streams", "/v1/answers"])
async def test_a_parameter_that_a_description_has_not_is_refused(
    client: httpx2.AsyncClient, reader: Headers, path: str
) -> None:
    assert (await client.get(path, headers=reader)).status_code == 200
    refused = await client.get(f"{path}?limit=1", headers=reader)
    assert refused.status_code == 422
    assert "limit" in refused.json()["detail"]

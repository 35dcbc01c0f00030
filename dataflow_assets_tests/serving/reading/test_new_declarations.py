"""A source or an answer that is declared is served, described and documented, without a line in the API."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import polars as pl
import pytest
import sqlalchemy as sa

from dataflow_assets.analytics import all_answers
from dataflow_assets.analytics.base import Answer
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import ANALYTICS, build_metadata
from dataflow_assets.serving import access, state
from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.principals import Role
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets_tests.serving.factories import UserFactory
from dataflow_assets_tests.serving.reading.builders import load_rows, make_tables
from dataflow_assets_tests.warehouse.builders import DAY, METERS, READINGS, ask
from dataflow_assets_tests.warehouse.test_changes import BY_TURN
from dataflow_assets_tests.warehouse.test_types import Summary

SUMMARY = Answer(
    name="summary",
    description="Made up.",
    owner="team:tests",
    grain="day",
    schema=Summary,
    reads=("readings",),
    statement="SELECT 1",
)


@pytest.fixture
async def added(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[httpx2.AsyncClient, str]:
    """A reader of an app with three more sources and one more answer, and its database."""
    make_tables(database_url, READINGS, METERS, BY_TURN)
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        build_metadata([], {"summary": Summary}).tables[f"{ANALYTICS}.summary"].create(connection)
    for module in (state, access):
        monkeypatch.setattr(module, "all_sources", lambda: (*all_sources(), READINGS, METERS, BY_TURN))
    monkeypatch.setattr(state, "all_answers", lambda: (*all_answers(), SUMMARY))
    app = build_app(settings)
    user = UserFactory.create(url=database_url, role=Role.READER)
    headers = {"Authorization": f"Bearer {app.state.serving.keys.sign(user.name)}"}
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test", headers=headers)
    return client, database_url


async def test_events_and_snapshots_with_columns_of_every_type(added: tuple[httpx2.AsyncClient, str]) -> None:
    client, url = added
    moment = datetime(2021, 11, 5, 7, tzinfo=UTC)
    row: dict[str, Any] = {
        **dict.fromkeys(READINGS.schema.column_names()),
        "number": 1,
        "taken_at": moment,
        "sent_at": moment + timedelta(hours=1),
        "price": Decimal("1.50"),
        "kind": "a",
        "address": {"street": "é", "floor": 1, "is_old": None},
    }
    load_rows(url, READINGS, [row])
    query = "price=1.5&kind.in=a&is_new.in=true&is_new.in=false"
    assert (await client.get(f"/v1/tables/readings/rows?{query}")).json() == []
    [found] = (await client.get("/v1/tables/readings/rows?price=1.5&kind.in=a")).json()
    assert found["address"] == row["address"]
    for table in ("readings", "meters", "meters_history"):
        for form in ("json", "ndjson", "csv", "arrow", "parquet"):
            answer = await client.get(f"/v1/tables/{table}/rows?format={form}&limit=5")
            assert answer.status_code == 200, answer.text
    description = (await client.get("/v1/tables/readings")).json()
    assert (description["kind"], description["rows"]) == ("events", 1)
    assert "/v1/tables/meters_history/rows" in (await client.get("/openapi.json")).json()["paths"]


async def test_changes_without_what_was_deleted(added: tuple[httpx2.AsyncClient, str]) -> None:
    client, url = added
    ask(
        url,
        "INSERT INTO warehouse.numbered_current (id, number, name, code, turn, delivery, deleted_at) VALUES "
        "(gen_random_uuid(), 1, 'a', 'I', 1, 7, NULL), (gen_random_uuid(), 2, NULL, 'D', 3, 7, 3)",
    )
    ask(
        url,
        "INSERT INTO warehouse.numbered_history (id, number, name, code, turn, delivery, valid_from, valid_to) VALUES "
        "(gen_random_uuid(), 1, 'a', 'I', 1, 7, 1, NULL), (gen_random_uuid(), 2, 'b', 'I', 2, 7, 2, 3)",
    )
    rows = (await client.get("/v1/tables/numbered/rows")).json()
    assert rows == [{"number": 1, "name": "a", "code": "I", "turn": 1}]
    history = (await client.get("/v1/tables/numbered_history/rows?order=number&valid_from.gte=2")).json()
    assert [(row["valid_from"], row["valid_to"], row["name"]) for row in history] == [(2, 3, "b")]
    description = (await client.get("/v1/tables/numbered")).json()
    assert description["rows"] == 1
    assert "Keys that were deleted are left out" in description["description"]
    assert "deleted_at" not in {column["name"] for column in description["columns"]}
    parameters = (await client.get("/openapi.json")).json()["paths"]["/v1/tables/numbered/rows"]["get"]["parameters"]
    assert not [parameter for parameter in parameters if parameter["name"].startswith("deleted_at")]
    assert "deleted_at" not in (await client.get("/openapi.json")).text
    for query in ("deleted_at=3", "columns=number,deleted_at", "order=deleted_at"):
        answer = await client.get(f"/v1/tables/numbered/rows?{query}")
        assert answer.status_code == 422, answer.text
        assert "deleted_at" in answer.json()["detail"]
    assert ask(url, "SELECT number, deleted_at FROM warehouse.numbered ORDER BY number") == [(1, None), (2, 3)]


async def test_an_answer_with_lists_structs_and_decimals(added: tuple[httpx2.AsyncClient, str]) -> None:
    client, url = added
    rows = [
        (DAY, 1, Decimal("-12345678901234567890.12"), ["é", ""], {"name": '"', "share": 0.1}),
        (DAY, 2, None, [], None),
    ]
    frame = pl.DataFrame(rows, schema=Summary.create_empty().schema, orient="row")
    with connect(url) as connection:
        load_answer(connection, "summary", "day", DAY, frame, {})
    answer = await client.get("/v1/answers/summary?order=number")
    assert "-12345678901234567890.12," in answer.text
    assert answer.json()[0]["names"] == ["é", ""]
    assert [each["name"] for each in (await client.get("/v1/answers")).json()].count("summary") == 1
    parquet = await client.get("/v1/answers/summary?order=number&format=parquet")
    assert pl.read_parquet(parquet.content)["most"].to_list() == [{"name": '"', "share": 0.1}, None]

"""Rows over HTTP: who gets which, entity tags, pages, the cache, and streams that break or are not taken."""

import asyncio
import http.client
import io
import json
import logging
import socket
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import Any

import httpx2
import polars as pl
import pyarrow as pa
import pytest

from dataflow_assets.ledger.versions import read_versions
from dataflow_assets.postgres.connection import connect
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.reading import respond, rows, streaming
from dataflow_assets.serving.reading.rows import stream_rows
from dataflow_assets.serving.state import ServingState
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.serving.factories import UserFactory
from dataflow_assets_tests.serving.reading.builders import load_rows, streams
from dataflow_assets_tests.serving.reading.conftest import Server
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask, minutes, sessions, wait_for

NEXT = DAY + timedelta(days=1)
ROWS = "/v1/tables/streams/rows"
ENGAGED = "/v1/answers/engaged_users"
Headers = dict[str, str]


@pytest.fixture
def url(state: ServingState) -> str:
    return state.database.url


def engaged(url: str, users: int, version: int = 1) -> None:
    frame = pl.DataFrame({"day": [DAY], "users": [users]})
    with connect(url) as connection:
        load_answer(connection, "engaged_users", "day", DAY, frame, {"streams": version})


async def test_rows_come_as_json_unless_something_else_is_asked_for(
    client: httpx2.AsyncClient, reader: Headers, url: str
) -> None:
    load_rows(url, STREAMS, streams(3))
    answer = await client.get(ROWS, headers=reader)
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    found = answer.json()
    assert sorted(row["size_mb"] for row in found) == [1.0, 1 + 1 / 7, 1 + 2 / 7]
    assert list(found[0]) == ["movie_title", "user_email", "size_mb", "start_at", "end_at"]
    csv = await client.get(ROWS, headers={**reader, "Accept": "text/csv"})
    assert csv.headers["Content-Disposition"] == 'attachment; filename="streams.csv"'
    assert pl.read_csv(csv.content).height == 3
    arrow = await client.get(f"{ROWS}?format=arrow&columns=size_mb", headers=reader)
    assert pa.ipc.open_stream(arrow.content).read_all().column_names == ["size_mb"]


async def test_a_query_that_cannot_be_used_is_a_problem(client: httpx2.AsyncClient, reader: Headers) -> None:
    for query, status, code in (
        ("colour=red", 422, "unusable"),
        ("format=xml", 422, "unusable"),
        ("limit=0", 422, "unusable"),
        ("size_mb.gte=nan", 422, "unusable"),
    ):
        problem = await client.get(f"{ROWS}?{query}", headers=reader)
        assert (problem.status_code, problem.json()["code"]) == (status, code)
    refused = await client.get(ROWS, headers={**reader, "Accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")


async def test_pages_are_linked_to_the_next_one(client: httpx2.AsyncClient, reader: Headers, url: str) -> None:
    load_rows(url, STREAMS, streams(25))
    load_rows(url, STREAMS, streams(25, NEXT))
    found: list[Any] = []
    path = f"{ROWS}?limit=20&columns=id&size_mb.gte=0"
    sizes = []
    while True:
        answer = await client.get(path, headers=reader)
        found += [row["id"] for row in answer.json()]
        sizes.append(len(answer.json()))
        if "next" not in answer.links:
            break
        path = answer.links["next"]["url"]
    assert sizes == [20, 20, 10]
    assert len(set(found)) == 50


async def test_rows_that_are_as_they_were_are_not_sent_again(
    client: httpx2.AsyncClient, reader: Headers, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_rows(url, STREAMS, streams(3))
    load_rows(url, STREAMS, streams(3, NEXT))
    of_day = f"{ROWS}?event_day={DAY}"
    answer = await client.get(of_day, headers=reader)
    tag = answer.headers["ETag"]
    assert answer.headers["Cache-Control"] == "private, no-cache"
    with monkeypatch.context() as patched:
        patched.setattr(respond, "stream_rows", None)  # no row is read
        again = await client.get(of_day, headers={**reader, "If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    load_rows(url, STREAMS, streams(4, NEXT))
    assert (await client.get(of_day, headers={**reader, "If-None-Match": f'"x", {tag}'})).status_code == 304
    load_rows(url, STREAMS, streams(5))
    changed = await client.get(of_day, headers={**reader, "If-None-Match": tag})
    assert (changed.status_code, len(changed.json())) == (200, 5)
    others = [f"{of_day}&limit=2", f"{of_day}&columns=size_mb", f"{of_day}&format=csv", f"{of_day}&order=size_mb", ROWS]
    tags = [(await client.get(other, headers=reader)).headers["ETag"] for other in others]
    assert len({tag, changed.headers["ETag"], *tags}) == 7


async def test_an_answer_is_read_once_and_kept_until_it_is_made_again(
    client: httpx2.AsyncClient, reader: Headers, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engaged(url, 7)
    first = await client.get(ENGAGED, headers=reader)
    assert first.json() == [{"day": str(DAY), "users": 7}]
    with monkeypatch.context() as patched:
        patched.setattr(respond, "stream_rows", None)
        again = await client.get(ENGAGED, headers=reader)
        assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    engaged(url, 8)  # by another statement, from the same versions
    made_again = await client.get(ENGAGED, headers={**reader, "If-None-Match": first.headers["ETag"]})
    assert made_again.json() == [{"day": str(DAY), "users": 8}]


async def test_a_kept_page_has_its_link(client: httpx2.AsyncClient, reader: Headers, url: str) -> None:
    frame = pl.DataFrame({"day": [DAY], "users": [1]})
    with connect(url) as connection:
        for day in (DAY, NEXT):
            load_answer(connection, "engaged_users", "day", day, frame.with_columns(day=pl.lit(day)), {"streams": 1})
    first, again = [await client.get(f"{ENGAGED}?limit=1", headers=reader) for _ in range(2)]
    assert first.headers["Link"] == again.headers["Link"]
    second = await client.get(again.links["next"]["url"], headers=reader)
    assert (second.json(), "Link" in second.headers) == ([{"day": str(NEXT), "users": 1}], False)


async def test_requests_at_once_read_the_versions_together(
    client: httpx2.AsyncClient, reader: Headers, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engaged(url, 7)
    tag = (await client.get(ENGAGED, headers=reader)).headers["ETag"]
    count = 0
    read = read_versions

    def counted(*arguments: Any, **named: Any) -> str:
        nonlocal count
        count += 1
        time.sleep(0.5)  # in which the others come
        return read(*arguments, **named)

    monkeypatch.setattr(respond, "read_versions", counted)
    asked = [client.get(ENGAGED, headers={**reader, "If-None-Match": tag}) for _ in range(40)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {304}
    assert 1 <= count < 20


@pytest.mark.parametrize("path", [ROWS, "/v1/tables/streams", "/v1/answers/average_session"])
async def test_who_may_not_read_a_source_gets_nothing_of_it(
    client: httpx2.AsyncClient, state: ServingState, path: str
) -> None:
    user = UserFactory.create(url=state.database.url, role=Role.READER, sources=["movies"])
    headers = {"Authorization": f"Bearer {state.keys.sign(user.name)}"}
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=headers)).status_code == 403
    tables = (await client.get("/v1/tables", headers=headers)).json()
    assert [table["name"] for table in tables] == ["movies", "movies_history"]
    assert (await client.get("/v1/answers", headers=headers)).json() == []


async def test_who_may_read_some_sources_sees_the_rejects_of_these(
    client: httpx2.AsyncClient, state: ServingState, reader: Headers
) -> None:
    for source in ("movies", "streams"):
        ask(
            state.database.url,
            "INSERT INTO ledger.rejects (source, day, object, delivery, code, message, raw) "
            "VALUES (%s, '2021-11-05', 'o', 1, 'c', 'm', 'r')",
            source,
        )
    user = UserFactory.create(url=state.database.url, role=Role.READER, sources=["movies"])
    headers = {"Authorization": f"Bearer {state.keys.sign(user.name)}"}
    for path in ("/v1/rejects", "/v1/rejects?source=streams", "/v1/rejects?limit=5&source.in=streams&source.in=movies"):
        found = [row["source"] for row in (await client.get(path, headers=headers)).json()]
        assert found == ([] if path.endswith("source=streams") else ["movies"])
    assert len((await client.get("/v1/rejects", headers=reader)).json()) == 2
    assert (await client.get("/v1/rejects", headers=reader)).headers.get("ETag") is None


async def test_the_description_of_a_table_tells_what_it_holds(
    client: httpx2.AsyncClient, reader: Headers, url: str
) -> None:
    load_rows(url, STREAMS, streams(3))
    load_rows(url, STREAMS, streams(4, NEXT))
    found = (await client.get("/v1/tables/streams", headers=reader)).json()
    assert (found["kind"], found["rows"], found["key"]) == ("events", 7, list(STREAMS.key))
    assert found["freshness"] == {
        "oldest_day": str(DAY),
        "newest_day": str(NEXT),
        "stale_days": [],
        "stale_days_count": 0,
    }
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["size_mb"] == {
        "name": "size_mb",
        "sql_type": "FLOAT",
        "json_schema": {"type": "number"},
        "is_nullable": False,
        "is_shown": True,
        "can_be_filtered": True,
        "description": "megabytes streamed (1 MB = 1,000,000 bytes)",
    }
    assert not columns["id"]["is_shown"]
    unknown = await client.get("/v1/tables/films", headers=reader)
    assert unknown.status_code == 404
    assert "you may read authors" in unknown.json()["detail"]


async def test_every_table_and_answer_that_is_declared_can_be_read(
    client: httpx2.AsyncClient, state: ServingState, reader: Headers
) -> None:
    paths = [f"/v1/tables/{name}/rows" for name in state.tables] + [f"/v1/answers/{name}" for name in state.answers]
    assert len(paths) > 10
    for path in [*paths, "/v1/deliveries", "/v1/rejects"]:
        for form in ("json", "csv", "arrow"):
            answer = await client.get(f"{path}?limit=5&format={form}", headers=reader)
            assert answer.status_code == 200, answer.text
        assert (await client.get(path, headers=reader)).json() == []
    for name in state.tables:
        assert (await client.get(f"/v1/tables/{name}", headers=reader)).status_code == 200


# Over a network


def request(live: Server, path: str) -> urllib.request.Request:
    return urllib.request.Request(live.url + path, headers=live.headers)


@pytest.fixture
def many(live: Server) -> Server:
    """A server with more rows than it holds in memory to send."""
    load_rows(live.database, STREAMS, streams(120_000))
    return live


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow", "parquet"])
def test_a_whole_table_is_streamed(many: Server, form: str) -> None:
    with urllib.request.urlopen(request(many, f"{ROWS}?format={form}"), timeout=300) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        body = io.BytesIO(answer.read())
    read = {
        "json": lambda: pl.DataFrame(json.load(body)),
        "ndjson": lambda: pl.read_ndjson(body),
        "csv": lambda: pl.read_csv(body),
        "arrow": lambda: pl.read_ipc_stream(body),
        "parquet": lambda: pl.read_parquet(body),
    }[form]()
    assert read.height == 120_000
    assert read["size_mb"].sum() == pytest.approx(streams(120_000)["size_mb"].sum())


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the database's connection be lost after the second batch of a stream."""

    def patch() -> None:
        def broken(*arguments: Any) -> Generator[pa.RecordBatch, None, None]:
            with closing(stream_rows(*arguments)) as batches:
                for number, batch in enumerate(batches):
                    if number == 2:
                        raise ConnectionResetError
                    yield batch

        monkeypatch.setattr(respond, "LARGEST", 10_000)
        monkeypatch.setattr(respond, "stream_rows", broken)
        monkeypatch.setattr(rows, "_SMALL_BATCHES", {"adbc.postgresql.batch_size_hint_bytes": "1000000"})

    return patch


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow", "parquet"])
def test_a_stream_that_fails_in_the_middle_is_broken_off(many: Server, breaking: Callable[[], None], form: str) -> None:
    breaking()
    with urllib.request.urlopen(request(many, f"{ROWS}?format={form}"), timeout=300) as answer:
        assert answer.status == 200
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


def test_csv_by_http_1_0_is_refused_where_its_end_would_not_show(many: Server) -> None:
    def answer(path: str) -> str:
        with socket.create_connection(("127.0.0.1", many.port), timeout=300) as asking:
            head = "".join(f"{name}: {value}\r\n" for name, value in many.headers.items())
            asking.sendall(f"GET {path} HTTP/1.0\r\n{head}\r\n".encode())
            return asking.makefile("rb").read().decode()

    def status(path: str) -> str:
        return answer(path).split(" ", 2)[1]

    assert status(f"{ROWS}?format=csv") == "505"
    assert "use HTTP/1.1" in answer(f"{ROWS}?format=csv")
    assert status(f"{ROWS}?format=csv&limit=10") == "200"
    assert status(f"{ROWS}?format=csv&event_day=1999-01-01") == "200"
    assert status(f"{ROWS}?format=ndjson") == "200"


@pytest.fixture
def too_many(live: Server) -> Server:
    """A server with more rows, of 44 MB, than fit into the largest buffers between its database and a reader."""
    load_rows(live.database, STREAMS, streams(600_000))
    return live


@contextmanager
def stopped_reader(live: Server) -> Iterator[socket.socket]:
    """A reader that asks for a whole table and takes nothing of it."""
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asking.connect(("127.0.0.1", live.port))
    head = "".join(f"{name}: {value}\r\n" for name, value in live.headers.items())
    asking.sendall(f"GET {ROWS}?format=ndjson HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    with asking:
        yield asking


READING = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
    "AND state = 'active' AND query LIKE 'COPY (SELEC%'"
)


def test_a_reader_that_stops_does_not_hold_up_the_swap_of_a_day(
    too_many: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming, "_STALLED", 3.0)  # long enough to be seen reading
    with stopped_reader(too_many), caplog.at_level(logging.WARNING, streaming.__name__):
        wait_for(too_many.database, READING)
        with connect(too_many.database) as connection:
            swapped = load_day(connection, STREAMS, sessions(minutes(DAY, 3)).lazy(), 10**6, DAY, "UTC")
        assert (swapped.rows, swapped.is_stale) == (3, False)
    assert "a reader took its rows too slowly and was cut off" in caplog.text


def test_a_reader_that_leaves_lets_the_table_go(too_many: Server) -> None:
    with stopped_reader(too_many):
        wait_for(too_many.database, READING)
    wait_for(too_many.database, f"SELECT 1 WHERE NOT EXISTS ({READING})")
    assert (
        len(pl.read_ndjson(urllib.request.urlopen(request(too_many, f"{ROWS}?format=ndjson"), timeout=300).read()))
        == 600_000
    )


def test_readers_that_stop_hold_up_nobody_who_wants_a_page_or_an_answer(
    too_many: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_STALLED", 600.0)
    with ExitStack() as stopped:
        for _ in range(12):
            stopped.enter_context(stopped_reader(too_many))
        wait_for(too_many.database, f"SELECT 1 FROM ({READING}) AS reading HAVING count(*) = 8")
        for path in (f"{ROWS}?limit=100", "/v1/answers/average_session"):
            assert urllib.request.urlopen(request(too_many, path), timeout=300).status == 200

"""Posting records to a source."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx2
import pytest

from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.routes import records
from dataflow_assets.serving.state import ServingState
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source

Headers = dict[str, str]
URL = "/v1/sources/movies/records"
CSV = {"Content-Type": "text/csv; charset=utf-8"}
MOVIES = b"title,duration_mins,original_language,size_mb\nRust,90,en,700\n"


def landed(state: ServingState) -> list[str]:
    return [delivery.object for delivery in Landing(state.storage).deliveries()]


async def test_records_land_as_a_file_and_are_read_like_any_other(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    answer = await client.post(URL, content=MOVIES, headers=writer | CSV)
    assert answer.status_code == 202
    [key] = landed(state)
    assert answer.headers["Location"] == f"/v1/{key}"
    state_of = await client.get(answer.headers["Location"], headers=writer)
    assert state_of.json()["state"] == "landed"
    settings = state.settings
    intake = ingest(state.storage, find_source("movies"), key, settings.timezone, 0, first_day=settings.first_day)
    assert intake
    assert (intake.delivered, intake.accepted) == (1, 1)


async def test_json_and_packed_records_land_under_names_that_say_so(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    books = json.dumps([{"name": "Rust", "pages": 1, "author": "A", "publisher": "P"}]).encode()
    headers = writer | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await client.post("/v1/sources/books/records", content=gzip.compress(books), headers=headers)
    assert answer.status_code == 202
    assert landed(state)[0].endswith(".json.gz")


async def test_a_repeat_under_the_same_key_is_answered_alike_and_lands_nothing(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    headers = writer | CSV | {"Idempotency-Key": "one"}
    first = await client.post(URL, content=MOVIES, headers=headers)
    again = await client.post(URL, content=MOVIES, headers=headers)
    assert (again.status_code, again.json(), len(landed(state))) == (202, first.json(), 1)
    other = await client.post(URL, content=MOVIES + b"Go,91,en,800\n", headers=headers)
    assert (other.status_code, len(landed(state))) == (422, 1)


async def test_a_repeat_after_midnight_lands_nothing(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = writer | CSV | {"Idempotency-Key": "one"}
    first = await client.post(URL, content=MOVIES, headers=headers)
    monkeypatch.setattr(Settings, "today", date(2999, 1, 1))
    again = await client.post(URL, content=MOVIES, headers=headers)
    assert (again.json(), len(landed(state))) == (first.json(), 1)


async def test_a_key_is_its_users_own(
    client: httpx2.AsyncClient, writer: Headers, reader: Headers, state: ServingState
) -> None:
    key = {"Idempotency-Key": "one"}
    await client.post(URL, content=MOVIES, headers=writer | CSV | key)
    with connect(state.database.url) as connection:
        execute(connection, "UPDATE serving.users SET role = 'writer'")
    other = await client.post(URL, content=MOVIES, headers=reader | CSV | key)
    assert (other.status_code, len(landed(state))) == (202, 2)


async def test_of_many_posts_under_one_key_one_lands(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    headers = writer | CSV | {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(client.post(URL, content=MOVIES, headers=headers) for _ in range(12)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.text for answer in answers if answer.status_code == 202}) == 1
    assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status_code == 409)
    assert len(landed(state)) == 1


@pytest.fixture
def in_flight(state: ServingState) -> Iterator[None]:
    """A post of the first writer under the key `one` is in flight."""
    with connect(state.database.url) as connection:
        [(name,)] = execute(connection, "SELECT name FROM serving.users")
        execute(connection, "SELECT pg_advisory_lock(hashtextextended($1, 0))", f"posted/{name}/one")
        yield


async def test_a_post_in_flight_is_told(client: httpx2.AsyncClient, writer: Headers, in_flight: None) -> None:
    answer = await client.post(URL, content=MOVIES, headers=writer | CSV | {"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (409, "busy", "1")


async def test_who_died_before_landing_left_a_name_under_which_the_repeat_lands(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    headers = writer | CSV | {"Idempotency-Key": "one"}
    first = await client.post(URL, content=MOVIES, headers=headers)
    with connect(state.database.url) as connection:
        execute(connection, "UPDATE serving.posted SET is_landed = false")
    again = await client.post(URL, content=MOVIES, headers=headers)
    assert (again.json(), len(landed(state))) == (first.json(), 1)


async def test_a_preview_says_what_would_be_accepted_and_writes_nothing(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    body = MOVIES + b"Go,no number,en,800\n"
    answer = await client.post(f"{URL}?preview=true", content=body, headers=writer | CSV)
    found = answer.json()
    assert (answer.status_code, landed(state)) == (200, [])
    assert (found["delivered"], found["accepted"], found["rejected"]) == (2, 1, 1)
    assert found["rows"] == [{"title": "Rust", "duration_mins": 90, "original_language": "en", "size_mb": 700}]
    assert found["rejects"][0]["raw"] == "Go,no number,en,800"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, MOVIES, 415),
        ({"Content-Type": "application/json"}, MOVIES, 415),
        (CSV | {"Content-Encoding": "br"}, MOVIES, 415),
        (CSV, b"", 422),
        (CSV | {"Idempotency-Key": "x" * 201}, MOVIES, 422),
        (CSV | {"Idempotency-Key": "a b"}, MOVIES, 422),
    ],
)
async def test_a_post_that_cannot_be_used_lands_nothing(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, headers: Any, body: bytes, status: int
) -> None:
    answer = await client.post(URL, content=body, headers=writer | headers)
    assert (answer.status_code, landed(state)) == (status, [])


async def test_previews_are_small_and_one_at_a_time(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_MOST_PREVIEWED", len(MOVIES))
    larger = await client.post(f"{URL}?preview=true", content=MOVIES + b"\n", headers=writer | CSV)
    assert (larger.status_code, larger.json()["code"]) == (413, "too_large")
    assert (await client.post(URL, content=MOVIES + b"\n", headers=writer | CSV)).status_code == 202
    async with state.previews:
        second = asyncio.create_task(client.post(f"{URL}?preview=true", content=MOVIES, headers=writer | CSV))
        while not state.previews.statistics().tasks_waiting:
            await asyncio.sleep(0.01)
    assert (await second).status_code == 200


async def test_a_file_of_another_format_is_told_in_a_preview(client: httpx2.AsyncClient, writer: Headers) -> None:
    answer = await client.post(f"{URL}?preview=true", content=b"PAR1....", headers=writer | CSV)
    assert (answer.status_code, answer.json()["delivered"]) == (200, 0)
    assert "Parquet" in answer.json()["refusal"]

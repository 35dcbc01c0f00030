"""Notifications that an object store posts: what they speak of waits for the landing sensor, who is told."""

import json
import select
from contextlib import closing

import httpx2
import psycopg2
import pytest

from dataflow_assets.ledger.pending import CHANNEL
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.state import ServingState
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.landing.test_events import notification, seaweed

Headers = dict[str, str]
URL = "/v1/landing/events"


def pending(state: ServingState) -> list[str]:
    with connect(state.database.url) as connection:
        return [key for (key,) in execute(connection, "SELECT object FROM ledger.pending ORDER BY object")]


async def test_what_a_notification_speaks_of_waits_and_is_told(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    first, second = (land(state.storage, "movies", name, "title\n").object for name in ("a b.csv", "c.csv"))
    with closing(psycopg2.connect(state.database.url)) as hearing:
        hearing.autocommit = True
        hearing.cursor().execute(f"LISTEN {CHANNEL}")
        for _ in range(2):
            answer = await client.post(URL, content=notification(first, first + ".gone"), headers=writer)
            assert (answer.status_code, answer.json()) == (202, {"objects": 1})
        answer = await client.post(URL, content=seaweed(f"/buckets/any/{second}"), headers=writer)
        assert (answer.status_code, answer.json()) == (202, {"objects": 1})
        assert pending(state) == [first, second]
        assert select.select([hearing], [], [], 30)[0], "nobody was told"


@pytest.mark.parametrize("body", [b"", b"no json", b"{}", b"\xff\xfe"])
async def test_what_is_no_notification_is_refused(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, body: bytes
) -> None:
    answer = await client.post(URL, content=body, headers=writer)
    assert (answer.status_code, pending(state)) == (422, [])


async def test_a_notification_of_very_many_objects_is_refused(client: httpx2.AsyncClient, writer: Headers) -> None:
    keys = [f"landing/movies/2021-12-01/{number}.csv" for number in range(1001)]
    answer = await client.post(URL, content=notification(*keys), headers=writer)
    assert (answer.status_code, "1,001 objects" in json.dumps(answer.json())) == (422, True)

"""Putting objects into landing."""

import asyncio
import base64
import gzip
import hashlib
import os
from collections.abc import AsyncIterator

import httpx2
import pytest

from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.state import ServingState
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.serving.factories import UserFactory

Headers = dict[str, str]
URL = "/v1/landing/movies/2021-12-05/movies.csv"
MOVIES = b"title,duration_mins,original_language,size_mb\nRust,90,en,700\n"


def landed(state: ServingState) -> dict[str, int]:
    """The size of each object, by its key."""
    return {delivery.object: delivery.size for delivery in Landing(state.storage).deliveries()}


async def test_a_file_lands_once_under_its_url(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    first = await client.put(URL, content=MOVIES, headers=writer)
    assert (first.status_code, first.headers["Location"]) == (201, URL)
    assert first.json()["size"] == len(MOVIES)
    again = await client.put(URL, content=MOVIES, headers=writer)
    assert (again.status_code, again.headers["ETag"]) == (200, first.headers["ETag"])
    other = await client.put(URL, content=MOVIES + b"Go,91,en,800\n", headers=writer)
    assert (other.status_code, other.headers["ETag"] == first.headers["ETag"]) == (201, False)
    assert landed(state) == {"landing/movies/2021-12-05/movies.csv": len(MOVIES) + 13}


async def test_other_bytes_of_the_same_size_are_a_new_version(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    await client.put(URL, content=MOVIES, headers=writer)
    other = await client.put(URL, content=MOVIES.replace(b"Rust", b"Ruby"), headers=writer)
    assert other.status_code == 201


async def test_what_is_there_is_not_replaced_where_the_request_says_so(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    only_new = writer | {"If-None-Match": "*"}
    assert (await client.put(URL, content=MOVIES, headers=only_new)).status_code == 201
    refused = await client.put(URL, content=b"other", headers=only_new)
    assert (refused.status_code, refused.json()["code"]) == (412, "already_there")
    assert list(landed(state).values()) == [len(MOVIES)]


async def test_of_many_who_put_a_new_file_at_once_one_does(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    only_new = writer | {"If-None-Match": "*"}
    bodies = [b"%d\n" % number for number in range(8)]
    answers = await asyncio.gather(*(client.put(URL, content=body, headers=only_new) for body in bodies))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == 1, statuses
    assert set(statuses) <= {201, 409, 412}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(MOVIES).digest()).decode()}:"}, 201),
        ({"Content-Digest": f"sha-512=:{base64.b64encode(hashlib.sha512(MOVIES).digest()).decode()}:"}, 201),
        ({"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(b'other').digest()).decode()}:"}, 422),
        ({"Content-Digest": "sha-256=:short:"}, 422),
        ({"Content-Digest": "nonsense"}, 422),
        ({"Content-Digest": "unixsum=:AAAA:"}, 201),
        ({"Content-Encoding": "br"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"If-None-Match": '"an-etag"'}, 422),
    ],
)
async def test_a_body_that_is_not_what_its_headers_say_is_not_kept(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, headers: Headers, status: int
) -> None:
    answer = await client.put(URL, content=MOVIES, headers=writer | headers)
    assert (answer.status_code, len(landed(state))) == (status, int(status == 201)), answer.text


@pytest.mark.parametrize("size", [0, (1 << 20) - 1, 1 << 20, (3 << 20) + 1])
async def test_a_body_of_any_size_lands_as_it_was_sent(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, size: int
) -> None:
    body = os.urandom(size)
    said = {"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"}
    answers = [await client.put(URL, content=body, headers=writer | said) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    [delivery] = Landing(state.storage).deliveries()
    with Landing(state.storage).lend(delivery) as path:
        assert path.read_bytes() == body
    broken = await client.put(f"{URL}.2", content=body + b"x", headers=writer | said)
    assert (broken.status_code, len(landed(state))) == (422, 1)


async def test_a_packed_file_stays_packed(client: httpx2.AsyncClient, writer: Headers, state: ServingState) -> None:
    packed = gzip.compress(MOVIES)
    answer = await client.put(f"{URL}.gz", content=packed, headers=writer | {"Content-Encoding": "gzip"})
    assert answer.status_code == 201
    assert landed(state) == {"landing/movies/2021-12-05/movies.csv.gz": len(packed)}


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("films/2021-12-05/a.csv", 404, "There is no source 'films'"),
        ("movie/2021-12-05/a.csv", 404, "There is no source 'movie'"),
        ("movies/2021-12-5/a.csv", 422, "day: a day is written"),
        ("movies/20211205/a.csv", 422, "day: a day is written"),
        ("movies/2021-02-30/a.csv", 422, "day: day is out of range"),
        ("movies/2020-12-05/a.csv", 404, "has no partition"),
        ("movies/9999-12-05/a.csv", 404, "has no partition"),
        ("movies/2021-12-05/a%2F..%2Fb.csv", 422, "name: a name has at most"),
        ("movies/2021-12-05/a%00.csv", 404, "a path that holds a control character"),
        ("movies/2021-12-05/a.csv%0A", 404, "a path that holds a control character"),
        ("movies/2021-12-05/%FF.csv", 404, "a path that holds a control character, or what is no UTF-8"),
        ("movies/2021-12-05/a.csv%231", 422, "name: a name has at most"),
        (f"movies/2021-12-05/{'a' * 201}", 422, "name: a name has at most"),
        (f"movies/2021-12-05/{'%F0%9F%98%80' * 63}", 422, "name: a name has at most"),
    ],
)
async def test_an_object_without_a_place_is_refused_before_its_body_is_read(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState, path: str, status: int, sentence: str
) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body is read")
        yield b""

    answer = await client.put(f"/v1/landing/{path}", content=body(), headers=writer)
    assert (answer.status_code, landed(state)) == (status, {})
    assert sentence in answer.json()["detail"]


async def test_a_writer_of_one_source_delivers_to_no_other(client: httpx2.AsyncClient, state: ServingState) -> None:
    UserFactory.create(url=state.database.url, name="player", role=Role.WRITER, sources=["streams"])
    headers = {"Authorization": f"Bearer {state.keys.sign('player')}"}
    answer = await client.put(URL, content=MOVIES, headers=headers)
    assert (answer.status_code, landed(state)) == (403, {})


async def test_who_delivers_to_some_sources_may_read_the_others(
    client: httpx2.AsyncClient, state: ServingState
) -> None:
    user = UserFactory.create(url=state.database.url, role=Role.WRITER, delivers_to=["streams"])
    headers = {"Authorization": f"Bearer {state.keys.sign(user.name)}"}
    assert (await client.put(URL, content=MOVIES, headers=headers)).status_code == 403
    assert (await client.get("/v1/tables/movies/rows", headers=headers)).status_code == 200
    me = (await client.get("/v1/me", headers=headers)).json()
    assert (me["sources"], me["delivers_to"]) == (None, ["streams"])


async def test_a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(
    settings: Settings, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("DATAFLOW_LARGEST_UPLOAD_MB", "1")
    app = build_app(load_settings())
    state: ServingState = app.state.serving
    UserFactory.create(url=state.database.url, name="writer", role=Role.WRITER)
    headers = {"Authorization": f"Bearer {state.keys.sign('writer')}"}

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100_000

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        for content in (b"x" * 1_000_001, chunks()):
            answer = await client.put(URL, content=content, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert landed(state) == {}
        assert (await client.put(URL, content=b"x" * 1_000_000, headers=headers)).status_code == 201


async def test_an_object_tells_what_became_of_it(
    client: httpx2.AsyncClient, writer: Headers, state: ServingState
) -> None:
    assert (await client.get(URL, headers=writer)).status_code == 404
    await client.put(URL, content=MOVIES + b"Go,no number,en,800\n", headers=writer)
    waiting = (await client.get(URL, headers=writer)).json()
    assert (waiting["state"], waiting["accepted"]) == ("landed", None)
    settings, key = state.settings, "landing/movies/2021-12-05/movies.csv"
    intake = ingest(state.storage, find_source("movies"), key, settings.timezone, 0, first_day=settings.first_day)
    assert intake
    record_delivery(state.database.url, intake)
    found = (await client.get(URL, headers=writer)).json()
    assert found == found | {"state": "accepted", "delivered": 2, "accepted": 1, "rejected": 1, "reason": None}


async def test_a_query_that_nobody_reads_is_refused(client: httpx2.AsyncClient, writer: Headers) -> None:
    answer = await client.put(f"{URL}?previw=true", content=MOVIES, headers=writer)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_two_names_of_which_one_is_a_folder_of_the_other_are_told(
    client: httpx2.AsyncClient, writer: Headers
) -> None:
    await client.put(URL, content=MOVIES, headers=writer)
    answer = await client.put(f"{URL}/more.csv", content=MOVIES, headers=writer)
    assert (answer.status_code, answer.json()["code"]) == (422, "object_name")

"""Logging in, going on, and logging out."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import jwt
import pytest

from dataflow_assets.postgres.connection import connect
from dataflow_assets.serving import limits
from dataflow_assets.serving.accounts import change_role, set_disabled
from dataflow_assets.serving.passwords import hash_password
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.state import ServingState
from dataflow_assets_tests.serving.factories import UserFactory, make_key

PASSWORD = "correct horse battery staple"
FILE = b'--B\r\nContent-Disposition: form-data; name="password"; filename="a"\r\n\r\n'
Form = dict[str, str]


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def ann(state: ServingState, hashed: str) -> Form:
    """The form with which a new user logs in."""
    UserFactory.create(url=state.database.url, name="ann", password=hashed)
    return {"username": "ann", "password": PASSWORD}


async def _name(client: httpx2.AsyncClient, token: str) -> str | int:
    answer = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return str(answer.json()["name"]) if answer.status_code == 200 else answer.status_code


async def test_a_password_gives_a_token_that_says_who_somebody_is(client: httpx2.AsyncClient, ann: Form) -> None:
    tokens = (await client.post("/v1/token", data=ann)).json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    answer = await client.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert answer.json() == {"name": "ann", "role": "reader", "sources": None, "delivers_to": None}


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "bob"}, {"username": "a\0b"}, {"password": ""}])
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    client: httpx2.AsyncClient, ann: Form, wrong: Form
) -> None:
    answer = await client.post("/v1/token", data=ann | wrong)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The name or the password is wrong.")


async def test_a_login_takes_the_same_work_whether_a_user_is_there_or_not(
    client: httpx2.AsyncClient, ann: Form
) -> None:
    async def seconds(form: Form) -> float:
        start = time.process_time()
        await client.post("/v1/token", data=form)
        return time.process_time() - start

    await client.post("/v1/token", data=ann)
    wrong = ann | {"password": "wrong"}, ann | {"username": "bob"}
    there, absent = map(min, zip(*[[await seconds(form) for form in wrong] for _ in range(3)], strict=True))
    assert 0.5 < there / absent < 2


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_login(client: httpx2.AsyncClient, ann: Form) -> None:
    first = (await client.post("/v1/token", data=ann)).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": first}
    second = (await client.post("/v1/token", data=form)).json()
    assert await _name(client, second["access_token"]) == "ann"
    assert (await client.post("/v1/token", data=form)).status_code == 401
    stolen = form | {"refresh_token": second["refresh_token"]}
    assert (await client.post("/v1/token", data=stolen)).status_code == 401


async def test_of_two_who_use_a_refresh_token_at_once_one_is_refused(client: httpx2.AsyncClient, ann: Form) -> None:
    first = (await client.post("/v1/token", data=ann)).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": first}
    answers = await asyncio.gather(*(client.post("/v1/token", data=form) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_a_login_that_was_ended_does_not_go_on(client: httpx2.AsyncClient, ann: Form) -> None:
    token = (await client.post("/v1/token", data=ann)).json()["refresh_token"]
    assert (await client.post("/v1/token/revoke", data={"token": token})).status_code == 204
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert (await client.post("/v1/token", data=form)).status_code == 401


async def test_who_is_disabled_gets_no_token_and_goes_on_with_none(
    client: httpx2.AsyncClient, ann: Form, state: ServingState
) -> None:
    tokens = (await client.post("/v1/token", data=ann)).json()
    with connect(state.database.url) as connection:
        set_disabled(connection, "ann", is_disabled=True)
    assert await _name(client, tokens["access_token"]) == 401
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await client.post("/v1/token", data=form)).status_code == 401
    assert (await client.post("/v1/token", data=ann)).status_code == 401


async def test_what_somebody_may_follows_their_account_and_not_the_token(
    client: httpx2.AsyncClient, ann: Form, state: ServingState
) -> None:
    token = (await client.post("/v1/token", data=ann)).json()["access_token"]
    with connect(state.database.url) as connection:
        change_role(connection, "ann", Role.WRITER)
    answer = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["role"] == "writer"


async def test_too_many_logins_are_refused(
    client: httpx2.AsyncClient, ann: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))  # all of them come within a minute
    form = ann | {"username": "bob"}
    answers = [await client.post("/v1/token", data=form) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert (await client.post("/v1/token", data=ann)).status_code == 200


@pytest.mark.parametrize("kind", ["data", "files"])
async def test_a_form_that_is_too_large_is_refused_before_it_is_read(client: httpx2.AsyncClient, kind: str) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"password=" if kind == "data" else FILE
        while sent < 10_000_000:
            sent += 10_000
            yield b"a" * 10_000

    types = {"data": "application/x-www-form-urlencoded", "files": "multipart/form-data; boundary=B"}
    answer = await client.post("/v1/token", content=body(), headers={"Content-Type": types[kind]})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert sent < 1_000_000


@pytest.mark.parametrize("path", ["/v1/token", "/v1/token/revoke"])
@pytest.mark.parametrize("is_told", [True, False])
async def test_a_form_that_is_too_large_is_answered_with_a_problem_whether_its_length_is_told_or_not(
    client: httpx2.AsyncClient, path: str, is_told: bool
) -> None:
    form = b"username=ann&password=a&token=a&more=" + b"a" * (64 << 10)

    async def body() -> AsyncIterator[bytes]:
        yield form

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post(path, content=form if is_told else body(), headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json()["code"] == "too_large"
    assert (
        answer.json()["detail"] == "The form has more than 65,536 bytes, the most that is taken; send its fields alone."
    )
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


async def test_a_form_of_as_many_bytes_as_are_taken_is_read(client: httpx2.AsyncClient, ann: Form) -> None:
    form = "&".join(f"{name}={value}" for name, value in ann.items()) + "&more="
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/v1/token", content=form.ljust(64 << 10, "a"), headers=headers)
    assert answer.status_code == 200, answer.text


async def test_an_api_key_is_limited_to_its_sources_and_its_time(
    client: httpx2.AsyncClient, state: ServingState
) -> None:
    UserFactory.create(url=state.database.url, name="machine", sources=["streams", "movies"])
    key = make_key(state.database.url, "machine", ["movies", "books"])
    answer = await client.get("/v1/me", headers={"X-API-Key": key})
    assert answer.json() == {"name": "machine", "role": "reader", "sources": ["movies"], "delivers_to": None}


@pytest.mark.parametrize("claim", ["exp", "iat", "jti", "sub"])
async def test_a_token_without_a_claim_that_it_must_have_is_refused(
    client: httpx2.AsyncClient, ann: Form, state: ServingState, claim: str
) -> None:
    sound = state.keys.sign("ann")
    claims = jwt.decode(sound, options={"verify_signature": False})
    header = jwt.get_unverified_header(sound)
    del claims[claim]
    forged = jwt.encode(claims, state.keys.keys[0], "HS256", headers={"kid": header["kid"]})
    assert await _name(client, sound) == "ann"
    assert await _name(client, forged) == 401

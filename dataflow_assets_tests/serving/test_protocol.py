"""Clients that send without end, or never: none of them makes the server hold memory or a connection for long."""

import asyncio
import select
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dataflow_assets.serving import bodies, protocol
from dataflow_assets.serving.http_metrics import HttpMetrics
from dataflow_assets.serving.middleware import RequestMiddleware
from dataflow_assets.serving.server import configure

SHORT = 1.0  # seconds


async def count(request: Request) -> PlainTextResponse:
    """How many bytes a body has."""
    return PlainTextResponse(str(len(await request.body())))


async def think(_: Request) -> PlainTextResponse:
    """Answers later than a head may come."""
    await asyncio.sleep(2 * SHORT)
    return PlainTextResponse("done")


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """A connection to a server that counts what it gets."""
    app = Starlette(routes=[Route("/", count, methods=["POST"]), Route("/think", think)])
    app.add_middleware(RequestMiddleware, metrics=HttpMetrics())
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(configure(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with socket.create_connection(listening.getsockname(), timeout=300) as connection:
            yield connection
        server.should_exit = True
        thread.join(300)


def read_all(client: socket.socket) -> bytes:
    """What comes until the connection is closed, in whichever way."""
    found = b""
    try:
        while piece := client.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("beginning", [b"GET /", b"GET / HTTP/1.1\r\nX-A: ", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_end_is_refused(client: socket.socket, beginning: bytes) -> None:
    client.sendall(beginning)
    piece, sent = b"X-B: " + b"b" * 8000 + b"\r\n" if beginning.endswith(b"\r\n") else b"a" * 8000, 0
    while not select.select([client], [], [], 1 if sent > protocol.LARGEST else 0)[0]:
        client.sendall(piece)
        sent += len(piece)
        assert sent < 4 * protocol.LARGEST
    assert read_all(client)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")  # none, where pieces were on their way


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nHost"])
def test_a_head_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, beginning: bytes
) -> None:
    monkeypatch.setattr(protocol, "SECONDS", SHORT)
    client: socket.socket = request.getfixturevalue("client")
    client.sendall(beginning)
    assert read_all(client) == b""


def test_an_answer_may_take_longer_than_a_head(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(protocol, "SECONDS", SHORT)
    client: socket.socket = request.getfixturevalue("client")
    client.sendall(b"GET /think HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert read_all(client).endswith(b"done")


def test_a_body_that_stops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, client: socket.socket) -> None:
    monkeypatch.setattr(bodies, "SECONDS", SHORT)
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in answer


def test_a_large_body_and_many_requests_on_one_connection_are_none_of_that(client: socket.socket) -> None:
    size = 40 * protocol.LARGEST
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
    last = one.replace(b"Host: x", b"Host: x\r\nConnection: close")
    threading.Thread(target=client.sendall, args=(one + last,), daemon=True).start()
    answers = read_all(client)
    assert answers.count(b"HTTP/1.1 200 ") == 2
    assert answers.count(b"%d" % size) == 2

"""Proxies between the platform and a real server that do harm: to S3 by the request, to PostgreSQL by the byte.

Here: what may go wrong on the way, and doing it. Not here: when it does (a test decides), and the servers.
"""

import http.client
import random
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_CHUNK = 1 << 16
_LOOK_SECONDS = 0.05
_OURS = {"connection", "transfer-encoding", "date", "server", "content-length"}


class Fault(Enum):
    """What becomes of a request to the object store."""

    ERROR = "500 Internal Server Error"
    SLOW_DOWN = "503 Slow Down"
    FORBIDDEN = "403 Forbidden"
    HANG = "no answer"
    RESET = "the connection is reset before the server has heard of it"
    SHORT = "half of the answer's body, then the connection is closed"
    LOST_ANSWER = "the server does it, then the connection is reset"


PASSING = (Fault.ERROR, Fault.SLOW_DOWN, Fault.HANG, Fault.RESET, Fault.SHORT, Fault.LOST_ANSWER)
_ANSWERED = {
    Fault.ERROR: (500, "InternalError"),
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.FORBIDDEN: (403, "AccessDenied"),
}

Chooser = Callable[[str, str], Fault | None]


@dataclass
class FaultyStore:
    """An S3 server behind a proxy: `choose` is given each request's method and path, and says what becomes of it."""

    url: str
    choose: Chooser = lambda _method, _path: None
    done: list[tuple[str, str, Fault]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def fail_once(self, fault: Fault, method: str, part: str) -> None:
        """Let the first request of that method fail whose path holds a text, and no other."""
        left = iter([fault])
        self.choose = lambda asked, path: next(left, None) if asked == method and part in path else None

    def fail_sometimes(self, seed: int, share: float, faults: tuple[Fault, ...] = PASSING) -> None:
        """Let a share of all requests fail, at random, each in one of some ways."""
        dice = random.Random(seed)
        self.choose = lambda _method, _path: dice.choice(faults) if dice.random() < share else None


class _Server(ThreadingHTTPServer):
    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.store = FaultyStore(f"http://127.0.0.1:{self.server_port}")

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go away as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store = self.server.store
        fault = store.choose(self.command, self.path)
        if fault:
            store.done.append((self.command, self.path, fault))
        if fault in _ANSWERED:
            status, code = _ANSWERED[fault]
            self.answer(status, {}, f"<Error><Code>{code}</Code><Message>{fault.value}</Message></Error>".encode())
        elif fault is Fault.HANG:
            store.ended.wait()
            self.reset()
        elif fault is Fault.RESET:
            self.reset()
        else:
            self.pass_on(body, fault)

    def pass_on(self, body: bytes, fault: Fault | None) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault is Fault.LOST_ANSWER:
            self.reset()
            return
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OURS}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        self.answer(answer.status, headers, content, is_short=fault is Fault.SHORT)

    def answer(self, status: int, headers: dict[str, str], content: bytes, *, is_short: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if is_short else content)
        if is_short:
            self.close_connection = True

    def reset(self) -> None:
        self.close_connection = True
        _reset(self.connection)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def faulty_store(upstream: str) -> Iterator[FaultyStore]:
    """A proxy before the S3 server of this URL."""
    with _Server(upstream) as listening:
        serving = threading.Thread(target=listening.serve_forever, args=(_LOOK_SECONDS,))
        serving.start()
        try:
            yield listening.store
        finally:
            listening.store.ended.set()
            listening.shutdown()
            serving.join()


@dataclass
class FaultyLine:
    """A server behind a proxy of bytes, at `port` of the loopback interface."""

    port: int
    traps: list[tuple[int, Callable[[], None] | None]] = field(default_factory=list)
    armed: int = 0

    def arm(self, carried: int, act: Callable[[], None] | None = None, *, times: int = 1) -> None:
        """Let something happen once a connection has carried so many bytes, both ways together, from now on.

        Until it has happened nothing more is carried; then the connection is as the server left it. Where nothing is to
        be done the connection is reset.
        """
        self.traps, self.armed = [(carried, act)] * times, self.armed + 1

    def sprung(self, carried: int) -> list[Callable[[], None] | None]:
        """The next trap, if a connection has carried enough for it; it will not spring again."""
        return [self.traps.pop(0)[1]] if self.traps and carried >= self.traps[0][0] else []


@contextmanager
def faulty_line(host: str, port: int) -> Iterator[FaultyLine]:
    """A proxy before the server at this address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line, ended = FaultyLine(listening.getsockname()[1]), threading.Event()
        listening.settimeout(_LOOK_SECONDS)

        def accept() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    client, _ = listening.accept()
                    threading.Thread(target=_carry, args=(client, (host, port), line, ended), daemon=True).start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield line
        finally:
            ended.set()
            accepting.join()


def _carry(client: socket.socket, address: tuple[str, int], line: FaultyLine, ended: threading.Event) -> None:
    """Carry bytes both ways until one side ends its connection, or both are reset."""
    with client, suppress(ConnectionError), socket.create_connection(address) as server:
        carried, armed = 0, line.armed
        for piece, to in _pieces(client, server, ended):
            if armed != line.armed:
                carried, armed = 0, line.armed
            to.sendall(piece)
            carried += len(piece)
            for act in line.sprung(carried):
                if act is None:
                    _reset(client)
                    _reset(server)
                    return
                act()


def _pieces(
    client: socket.socket, server: socket.socket, ended: threading.Event
) -> Iterator[tuple[bytes, socket.socket]]:
    """What either side sends, and to whom, until one of them ends its connection."""
    with selectors.DefaultSelector() as ready:
        for here, there in ((client, server), (server, client)):
            ready.register(here, selectors.EVENT_READ, (here, there))
        while not ended.is_set():
            for key, _ in ready.select(_LOOK_SECONDS):
                here, there = key.data
                if not (piece := here.recv(_CHUNK)):
                    return
                yield piece, there


def _reset(connection: socket.socket) -> None:
    """Close a connection so that the other side hears of a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

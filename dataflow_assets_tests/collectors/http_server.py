"""A real HTTP server in this process, which answers as a test wants, and may do so badly.

Here: starting it, and what it was asked. Not here: what is collected.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """An answer. Of its body at most `sent` bytes are sent, whatever its headers say; without `length`, in chunks."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None
    chunked: bool = False


@dataclass(frozen=True)
class Asked:
    """A request: its path, its parameters and its headers."""

    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class HttpServer:
    """A server, and everything that it was asked; `answer` says what it answers."""

    answer: Callable[[Asked], Answer] = lambda _: Answer(status=404)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve_http() -> Iterator[HttpServer]:
    """A server on a free port, until the block ends."""
    state = HttpServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            parameters = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            asked = Asked(parts.path, parameters, dict(self.headers))
            state.asked.append(asked)
            answer = state.answer(asked)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            body = answer.body if answer.sent is None else answer.body[: answer.sent]
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
                self.wfile.write(b"0\r\n\r\n" if answer.sent is None else b"")
            else:
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(body)
            self.close_connection = answer.sent is not None

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()

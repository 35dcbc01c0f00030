"""Real servers on loopback that take alerts: HTTP and SMTP.

Here: what was sent to them, and what they answer. Not here: expectations.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dataflow_assets.core.ports import free_port


@dataclass
class HttpServer:
    """What was posted to it, and what it answers."""

    url: str = ""
    posted: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [f"{sent['title']}\n{sent['message']}" for sent in map(json.loads, self.posted)]


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    state = HttpServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = state.answers.pop(0) if state.answers else 200
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if status == 200:
                state.posted.append(body)
                state.headers.append(dict(self.headers))
                state.paths.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """It is silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()
        thread.join()


@dataclass
class MailServer:
    """What it took, and from whom it takes it."""

    port: int
    taken: list[tuple[list[str], Message]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802, so the server calls it
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"

    @contextmanager
    def running(self) -> Iterator[None]:
        """It takes messages meanwhile, on the same port each time."""
        controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self.authenticate,
            auth_required=True,
            auth_require_tls=False,
            ready_timeout=300,
        )
        controller.start()
        yield
        controller.stop()

    def authenticate(self, *arguments: Any) -> AuthResult:
        found = arguments[-1]
        return AuthResult(success=found == LoginPassword(b"dataflow", b"p@ss-word"), handled=False)


@pytest.fixture
def stopped_mail_server() -> MailServer:
    """A server that is down."""
    return MailServer(free_port())


@pytest.fixture
def mail_server(stopped_mail_server: MailServer) -> Iterator[MailServer]:
    """The same server, up."""
    with stopped_mail_server.running():
        yield stopped_mail_server

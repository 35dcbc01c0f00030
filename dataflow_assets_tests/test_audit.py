"""The step of CI that asks for advisories of the locked packages, against a service on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from dataflow_assets_tests.conftest import REPOSITORY


@contextmanager
def advisories(*events: dict[str, str]) -> Iterator[str]:
    """A service that knows one advisory, of idna, for the versions that these events tell; none without any."""
    named = {"id": "PYSEC-1", "modified": "2026-01-01T00:00:00Z"}
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    affected = [{"package": {"ecosystem": "PyPI", "name": "idna"}, "ranges": ranges}]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            hit = {"vulns": [named]} if events else {}
            self.answer({"results": [hit if one["package"]["name"] == "idna" else {} for one in asked]})

        def do_GET(self) -> None:
            self.answer({**named, "summary": "made up", "affected": affected})

        def answer(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """It is silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def audit(url: str) -> tuple[int, str]:
    command = [sys.executable, str(REPOSITORY / ".ci/audit.py"), "--service-url", url]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("events", "code", "said"),
    [
        ([], 0, " packages, 0 known advisories"),
        ([{"introduced": "0"}], 0, " packages, 1 known advisories"),
        ([{"introduced": "0"}, {"fixed": "99.0"}], 1, "PYSEC-1, made up; mended in 99.0"),
    ],
)
def test_an_advisory_fails_where_a_version_mends_it(events: list[dict[str, str]], code: int, said: str) -> None:
    with advisories(*events) as url:
        found, told = audit(url)
    assert said in told
    assert found == code


def test_without_the_service_it_is_said_and_passes() -> None:
    code, told = audit("http://127.0.0.1:9/")
    assert code == 0
    assert "cannot be asked for here, so the locked packages are not audited" in told

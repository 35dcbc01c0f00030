"""Real object stores for tests: a folder with an awkward name, and an S3 server over HTTP.

Here: opening an empty one for each test, landing a few bytes in it, and a gate before the S3 server that counts and
may be closed. Not here: what the bytes mean.
"""

import http.client
import logging
import multiprocessing
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from moto.server import ThreadedMotoServer

from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.base import Source

DAY = date(2021, 12, 1)
FIRST_DAY = date(2020, 1, 1)


@contextmanager
def serve_s3() -> Iterator[str]:
    """The URL of an S3 server of this process, until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_url() -> str:
    """The URL of an S3 server, in a process of its own: in ours its lines would be measured, and wait for ours."""
    return _start_s3()[0]


@cache
def _start_s3() -> tuple[str, Connection]:
    """The URL of a server that ends with this process, and what would tell it that."""
    apart = multiprocessing.get_context("spawn")
    ours, theirs = apart.Pipe()
    apart.Process(target=_be_s3, args=(theirs,), daemon=True).start()
    return ours.recv(), ours


def _be_s3(pipe: Connection) -> None:
    with serve_s3() as url, suppress(EOFError):
        pipe.send(url)
        pipe.recv()


@pytest.fixture
def local_storage(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Storage:
    """An empty folder whose name a URL would spell in another way."""
    clean_environment.setenv("DATAFLOW_HOME", str(tmp_path / "Zoë's home #1"))
    return open_storage(load_settings())


@pytest.fixture
def s3_storage(clean_environment: pytest.MonkeyPatch, s3_url: str) -> Storage:
    """An empty bucket."""
    bucket = f"bucket-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_url}/{bucket}", method="PUT")).close()
    for name, value in {
        "S3_BUCKET": bucket,
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        clean_environment.setenv(name, value)
    return open_storage(load_settings())


@dataclass
class Gate:
    """What went to the S3 server: each request's method, path with query, and who signed it."""

    requests: list[tuple[str, str, str]] = field(default_factory=list)
    is_open: bool = True

    @property
    def lists(self) -> int:
        """How many requests listed objects."""
        return sum(method == "GET" and "list-type=2" in path for method, path, _ in self.requests)


@pytest.fixture
def gate(s3_storage: Storage, s3_url: str, clean_environment: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The settings lead through a gate to the empty bucket from now on; while it is closed, it refuses everything."""
    made = Gate()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
            if not made.is_open:
                self.send_error(403)
                return
            server = http.client.HTTPConnection(urlsplit(s3_url).netloc)
            server.request(self.command, self.path, body, dict(self.headers))
            answer = server.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            kept = {"content-length": str(len(content)), **{name.lower(): value for name, value in answer.getheaders()}}
            for name, value in kept.items():
                if name not in ("connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            server.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    clean_environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each kind of store in turn, empty."""
    found = request.getfixturevalue(f"{request.param}_storage")
    assert isinstance(found, Storage)
    return found


def put_any(storage: Storage, key: str, body: bytes = b"x") -> None:
    """Put an object under any key, also one that our own store cannot name."""
    if storage.uri.startswith("s3://"):
        place = f"{load_settings().aws_endpoint_url}/{storage.uri.removeprefix('s3://')}/{quote(key)}"
        headers = {"Content-Type": "application/octet-stream"}
        urllib.request.urlopen(urllib.request.Request(place, body, headers, method="PUT")).close()
    else:
        path = Path(storage.uri, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def land(storage: Storage, source: Source | str, name: str, content: str | bytes, day: date = DAY) -> Delivery:
    """Put an object there, in place of an older one of that name."""
    body = content.encode() if isinstance(content, str) else content
    path = Path(load_settings().home).parent / f"to-land-{uuid.uuid4().hex}"
    path.write_bytes(body)
    delivery = Landing(storage).put(source if isinstance(source, str) else source.name, day, path, name)
    path.unlink()
    return delivery

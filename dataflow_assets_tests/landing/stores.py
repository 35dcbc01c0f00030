"""Real object stores for tests: a folder with an awkward name, and an S3 server over HTTP.

Here: opening an empty one for each test, and landing a few bytes in it. Not here: what the bytes mean.
"""

import logging
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.declaration import Source

DAY = date(2021, 12, 1)
FIRST_DAY = date(2020, 1, 1)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The URL of an S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each kind of store in turn, empty."""
    found = request.getfixturevalue(f"{request.param}_storage")
    assert isinstance(found, Storage)
    return found


def land(storage: Storage, source: Source | str, name: str, content: str | bytes, day: date = DAY) -> Delivery:
    """Put an object there, in place of an older one of that name."""
    body = content.encode() if isinstance(content, str) else content
    path = Path(load_settings().home).parent / f"to-land-{uuid.uuid4().hex}"
    path.write_bytes(body)
    delivery = Landing(storage).put(source if isinstance(source, str) else source.name, day, path, name)
    path.unlink()
    return delivery

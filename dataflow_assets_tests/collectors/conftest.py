"""What the tests of collectors share: servers, object stores, and a platform to land in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow_assets.collectors.http import session
from dataflow_assets.landing.storage import Storage
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.http_server import HttpServer, serve_http
from dataflow_assets_tests.collectors.sftp_server import PASSWORD, VARIABLE, SftpServer, serve
from dataflow_assets_tests.collectors.vendor_bucket import SECRETS, Vendor, empty_bucket
from dataflow_assets_tests.landing.stores import local_storage, s3_storage, s3_url, storage

__all__ = ["local_storage", "s3_storage", "s3_url", "storage"]


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    """An SFTP server of an empty folder, whose password is in the environment."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    with serve(tmp_path / "remote") as running:
        yield running


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    """An HTTP server; who asks it does not wait between two tries."""
    monkeypatch.setattr(session, "FIRST_WAIT", 0.01)
    with serve_http() as running:
        yield running


@pytest.fixture
def vendor(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """An empty bucket of somebody else, whose keys are in the environment."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return empty_bucket(s3_url)


@pytest.fixture
def platform(local_storage: Storage, database_url: str) -> Platform:
    """A platform with a local folder."""
    return Platform(local_storage, database_url)

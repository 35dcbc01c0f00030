"""`dataflow serve`, from outside."""

import json
import subprocess
from functools import partial
from pathlib import Path

import httpx2
import pytest

from dataflow_assets.errors import SettingsError
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.server import is_loopback, serve
from dataflow_assets.serving.tokens import find_keys
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.serving.factories import UserFactory
from dataflow_assets_tests.serving.live_server import DATAFLOW, serving

get = partial(httpx2.get, timeout=300)


def test_it_answers_logs_each_request_without_values_and_ends_when_asked(settings: Settings, tmp_path: Path) -> None:
    assert settings.database_url
    UserFactory.create(url=settings.database_url.get_secret_value(), name="ann", role=Role.WRITER)
    with serving(tmp_path / "log") as server:
        token = find_keys(settings).sign("ann")
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "mine"}
        assert get(f"{server.url}/v1/me", headers=headers).json()["name"] == "ann"
        get(f"{server.url}/v1/landing/movies/2021-12-05/secret.csv?hunter2=1", headers=headers)
        assert "Server" not in get(f"{server.url}/health").headers
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    requests = [line for line in lines if line["logger"] == "dataflow.access"]
    [me, object_, health] = requests
    assert me == me | {"user": "ann", "route": "/v1/me", "status": "200", "method": "GET", "request": "mine"}
    assert object_["route"] == "/v1/landing/{source}/{day}/{name:path}"
    assert "user" not in health
    for secret in (token, "hunter2", "secret.csv"):
        assert secret not in (tmp_path / "log").read_text()


def test_a_port_in_use_is_told(settings: Settings, tmp_path: Path) -> None:
    with serving(tmp_path / "log") as server:
        port = server.url.rsplit(":", 1)[1]
        second = subprocess.run([DATAFLOW, "serve", "--port", port], capture_output=True, text=True, check=False)
    assert (second.returncode, "cannot be used" in second.stderr) == (1, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_beyond_loopback_a_key_must_be_set(clean_environment: pytest.MonkeyPatch, host: str) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY is not set"):
        serve(load_settings(), host, 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected

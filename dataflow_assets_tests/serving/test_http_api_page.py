"""What docs/how-to/http-api.md tells a reader to do, done as it stands there."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import httpx2
import pytest

from dataflow_assets.errors import WarehouseUnavailableError
from dataflow_assets.serving.problems import STATUSES, status_of
from dataflow_assets.serving.refusals import RefusalError
from dataflow_assets.settings import Settings
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.serving.conftest import Headers
from dataflow_assets_tests.serving.live_server import serving

PAGE = (REPOSITORY / "docs/how-to/http-api.md").read_text()


@pytest.fixture(scope="module")
def examples() -> list[str]:
    """Each block of commands, in order."""
    return re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _json_values(text: str) -> list[dict[str, object]]:
    """The JSON objects in a text, which follow each other."""
    found, decoder, place = [], json.JSONDecoder(), 0
    while (place := text.find("{", place)) >= 0:
        value, place = decoder.raw_decode(text, place)
        found.append(value)
    return found


def test_its_examples_do_what_it_says(settings: Settings, tmp_path: Path, examples: list[str]) -> None:
    with serving(tmp_path / "log") as server:
        script = "set -euo pipefail\n" + "\n".join(examples).replace("http://127.0.0.1:8000", server.url)
        path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path}
        command = ["bash", "-c", script]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ann, refreshed, player, landed, state, preview, posted, problem = _json_values(done.stdout)
    assert (ann["name"], ann["role"], player["sources"]) == ("ann", "reader", ["movies", "streams"])
    assert refreshed["expires_in"] == 900
    assert landed["url"] == "/v1/landing/movies/2021-12-05/movies.csv"
    assert (state["state"], preview["accepted"], preview["rejected"]) == ("landed", 1, 0)
    assert str(posted["url"]).startswith("/v1/landing/movies/")
    assert (problem["status"], problem["code"]) == (422, "invalid")


@pytest.fixture(scope="module")
def told() -> set[tuple[int, str]]:
    """The statuses and codes in the table of failures."""
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", PAGE, re.MULTILINE)
    return {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}


def test_its_table_of_failures_says_what_the_server_answers(told: set[tuple[int, str]]) -> None:
    known = {(status_of(kind("")), kind.code) for kind in (*STATUSES, *WarehouseUnavailableError.__subclasses__())}
    known |= {(kind.status, kind.code) for kind in RefusalError.__subclasses__()}
    known |= {(500, "internal"), (422, "invalid"), (503, "storage_unavailable")}
    known |= {(400, "bad_request"), (405, "method_not_allowed")}
    assert told - known == set()
    assert {status for status, _ in told} >= {kind.status for kind in RefusalError.__subclasses__()}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/questions/average_session?from=x", 400),
        ("GET", "/v1/questions/average_session?from=2021-12-02&to=2021-12-01", 400),
        ("POST", "/v1/token", 400),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/tables/nothing", 404),
        ("PUT", "/v1/tables", 405),
    ],
)
async def test_its_table_of_failures_has_what_a_wrong_request_is_answered(
    client: httpx2.AsyncClient, reader: Headers, told: set[tuple[int, str]], method: str, path: str, status: int
) -> None:
    headers = reader | ({"Content-Type": "multipart/form-data"} if method == "POST" else {})
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert (status, answer.json()["code"]) in told

"""What docs/how-to/http-api.md tells a reader to do, done as it stands there."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from dataflow_assets.serving.problems import STATUSES
from dataflow_assets.serving.refusals import RefusalError
from dataflow_assets.settings import Settings
from dataflow_assets_tests.conftest import REPOSITORY
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


def test_its_table_of_failures_says_what_the_server_answers() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", PAGE, re.MULTILINE)
    told = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    known = {(status, kind.code) for kind, status in STATUSES.items()}
    known |= {(kind.status, kind.code) for kind in RefusalError.__subclasses__()}
    known |= {(500, "internal"), (422, "invalid"), (503, "storage_unavailable")}
    assert told - known == set()
    assert {status for status, _ in told} >= {kind.status for kind in RefusalError.__subclasses__()}

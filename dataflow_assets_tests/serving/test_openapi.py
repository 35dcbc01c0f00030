"""The server does what its OpenAPI document says of all but reading rows, whatever it is asked.

`--hypothesis-profile nightly` asks seventeen times as much.
"""

import subprocess
import sysconfig
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from dataflow_assets.serving.principals import Role
from dataflow_assets_tests.serving.factories import UserFactory, make_key
from dataflow_assets_tests.serving.live_server import serving

SCHEMATHESIS = Path(sysconfig.get_path("scripts")) / "schemathesis"
CONFIGURATION = str(Path(__file__).with_name("schemathesis.toml"))
ROUTES = "^/(health|metrics|v1/(landing|sources|me|token|charts))"


def test_no_request_fails_the_server_or_is_answered_otherwise_than_documented(
    clean_environment: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> None:
    clean_environment.setenv("DATABASE_URL", database_url)
    clean_environment.setenv("DATAFLOW_REQUESTS_PER_MINUTE", "1000000")
    UserFactory.create(url=database_url, name="tester", role=Role.WRITER)
    key = make_key(database_url, "tester")
    examples = hypothesis_settings().max_examples // 6  # for each route and phase
    with serving(tmp_path / "log") as server:
        command = [str(SCHEMATHESIS), "--config-file", CONFIGURATION, "run", f"{server.url}/openapi.json"]
        options = ["--header", f"X-API-Key: {key}", "--checks", "all", "--max-examples", str(examples), "--seed", "1"]
        options += ["--include-path-regex", ROUTES]  # reading rows has a test of its own
        done = subprocess.run(
            [*command, *options, "--no-color"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300 * examples,
        )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]

"""What the OpenAPI document promises is what the server does, whatever is asked: a short run of schemathesis.

With `--hypothesis-profile nightly` it is a long one, and of every route that reads.
"""

import subprocess
import sysconfig
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from dataflow_assets_tests.serving.factories import make_key
from dataflow_assets_tests.serving.reading.builders import load_rows, streams
from dataflow_assets_tests.serving.reading.conftest import Server
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS

SOME = (
    "^/v1/(tables$|tables/streams|answers$|answers/sessions_in_progress|deliveries|rejects|questions/engaged|"
    "explain/streams)"
)
ALL = "^/v1/(tables|answers|deliveries|rejects|questions|explain)"
SHORT = 30  # examples of hypothesis at most where a run is to be short


@pytest.fixture
def many_requests(clean_environment: pytest.MonkeyPatch) -> None:
    """Lets one user ask as often as they like."""
    clean_environment.setenv("DATAFLOW_REQUESTS_PER_MINUTE", "1000000")


def test_no_request_that_the_document_allows_or_forbids_is_answered_otherwise(
    many_requests: None, live: Server, tmp_path: Path
) -> None:
    load_rows(live.database, STREAMS, streams(300))
    load_rows(live.database, STREAMS, streams(50, DAY + timedelta(days=1)))
    key = make_key(live.database, "analyst")  # a token expires during a long run
    most = hypothesis_settings().max_examples
    config = tmp_path / "schemathesis.toml"
    config.write_text((Path(__file__).parent / "schemathesis.toml").read_text())
    done = subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "schemathesis",
            f"--config-file={config}",
            "run",
            f"{live.url}/openapi.json",
            f"--header=X-API-Key: {key}",
            f"--include-path-regex={SOME if most <= SHORT else ALL}",
            "--checks=all",
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={most // 6}",
            "--generation-deterministic",
            "--suppress-health-check=all",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300 * most,
        check=False,
    )
    lines = [line[:400] for line in done.stdout.splitlines()]
    assert done.returncode == 0, "\n".join([*lines, done.stderr])
    assert any("generated" in line for line in lines), lines

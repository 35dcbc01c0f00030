"""`dataflow up` starts everything, and stops everything however it ends."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow_assets.core.ports import free_port
from dataflow_assets.errors import DataFlowError
from dataflow_assets.postgres import embedded
from dataflow_assets.runtime.up import up
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.live_platform import SMALLEST
from dataflow_assets_tests.processes import kill, kill_all, processes_of, wait_until_gone

_MODULE = "dataflow_assets_tests.runtime.tiny_definitions"
_LAUNCH = """
mutation Launch($job: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "dataflow_assets", repositoryName: "__repository__", pipelineName: $job},
    mode: "default", runConfigData: {}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
_RUNS = "{ runsOrError { ... on Runs { results { status } } } }"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    embedded.acquire(home, durable=False).close()
    yield home
    kill_all(tmp_path)
    assert wait_until_gone(tmp_path) == {}


@pytest.fixture
def port() -> int:
    return free_port()


def start(home: Path, port: int, *, wait: bool = True) -> subprocess.Popen[str]:
    """Start `up` as `sh -c '... &'` does: deaf to SIGINT unless it installs a handler."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    process = subprocess.Popen(
        [sys.executable, "-c", SMALLEST, str(port)],
        stdout=subprocess.PIPE,
        stderr=(home / "stderr").open("a"),
        text=True,
        cwd=Path(__file__).parents[2],
        env=environment | {"DATAFLOW_HOME": str(home)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
    )
    assert process.stdout
    if wait:
        assert f"http://127.0.0.1:{port}" in process.stdout.readline(), (home / "stderr").read_text()
    return process


def ask(port: int, query: str, **variables: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    body = json.dumps({"query": query, "variables": variables})
    connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["data"]


def statuses(port: int) -> list[str]:
    return [run["status"] for run in ask(port, _RUNS)["runsOrError"]["results"]]


def launch(port: int, job: str) -> None:
    answer = ask(port, _LAUNCH, job=job)["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer


def wait_for(path: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def wait_until_said(home: Path, words: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while words not in (home / "stderr").read_text():
        assert time.monotonic() < deadline, f"nothing said {words}"
        time.sleep(0.05)


def pid_of(home: Path, word: str) -> int:
    return min(process for process, command in processes_of(home).items() if word in command)


def test_a_kill_and_then_a_signal_leave_nothing_but_the_data(home: Path, port: int) -> None:
    first = start(home, port)
    launch(port, "slow_job")
    wait_for(home / "slow-runs")
    assert any("run worker" in command for command in processes_of(home).values())
    kill(first.pid)
    first.communicate()
    assert wait_until_gone(home) == {}

    (home / "slow-runs").unlink()
    second = start(home, port)
    assert statuses(port)[-1] == "FAILURE", "the first run, which is made again"
    launch(port, "slow_job")
    wait_for(home / "slow-runs")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=300)
    assert second.returncode == 0
    assert wait_until_gone(home) == {}


def test_when_a_part_dies_all_stop_and_say_so(home: Path, port: int) -> None:
    process = start(home, port)
    wait_until_said(home, "dagster.daemon")
    kill(pid_of(home, "dataflow up: daemon"))
    process.communicate(timeout=300)
    assert process.returncode == 1
    said = [json.loads(line) for line in (home / "stderr").read_text().splitlines()]
    assert {"dagster.code_server", "dagster.daemon", "dataflow"} <= {line["logger"] for line in said}
    (why,) = [line for line in said if line["logger"] == "dataflow"]
    assert (why["level"], "the daemon ended with code -9" in why["event"]) == ("error", True)
    assert wait_until_gone(home) == {}


def test_a_second_one_is_refused_and_the_first_outlives_no_keeper(
    home: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(home, port)
    monkeypatch.setenv("DATAFLOW_HOME", str(home))
    with pytest.raises(DataFlowError, match=str(port)):
        up(load_settings(), port, module=_MODULE)
    with pytest.raises(DataFlowError, match="already runs"):
        up(load_settings(), free_port(), module=_MODULE)
    kill(pid_of(home, "dataflow up: leader"))
    process.communicate(timeout=300)
    assert process.returncode == 1
    assert wait_until_gone(home) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_starts_stops_it(home: Path, port: int, number: signal.Signals) -> None:
    process = start(home, port, wait=False)
    wait_for(home / "workspace.yaml")
    process.send_signal(number)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert wait_until_gone(home) == {}


def test_a_second_signal_does_not_let_go_of_what_still_ends(home: Path, port: int) -> None:
    process = start(home, port)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)  # the first one is at work; where it has done it already, the second one finds nobody
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert processes_of(home) == {}

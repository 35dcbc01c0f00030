"""A server that only reads, a standby or one that was told to: who writes is told so, and nothing is done."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dataflow_assets.doctor import examine
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.postgres.failures import read_only
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import load_settings
from dataflow_assets.warehouse.bootstrap import open_bound_warehouse
from dataflow_assets_tests.faults.postgres import FAST, OwnServer, own_server
from dataflow_assets_tests.orchestration.builders import movies_csv
from dataflow_assets_tests.processes import environment_with
from dataflow_assets_tests.warehouse.builders import ask
from dataflow_assets_tests.warm import run_dataflow

_FILE = "{folder}/movies.csv"
WRITING = [
    ["demo"],
    ["load", "--model", "movies", "--collector", "csv", "--config", _FILE],
    ["up", "--port", "0", "--api-port", "0"],
    ["collect"],
    ["backfill", "--asset", "lake/movies", "--from", "2021-12-01", "--to", "2021-12-01"],
    ["housekeeping"],
    ["rebuild"],
    ["restore", "{folder}"],
    ["user", "add", "robot", "--machine"],
]
READING = [
    *(["init-db"], ["answers"], ["deliveries"], ["rejects"], ["user", "list"]),
    *(["query", "-c", "SELECT 1"], ["backup", "{folder}/backup"]),
]


@pytest.fixture(scope="module", params=["a standby", "a setting"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that was written to, and only reads now; the environment names it."""
    folder = tmp_path_factory.mktemp("reading")
    with own_server(folder / "server") as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATAFLOW_HOME", str(folder / "home"))
        environment.setenv("DATABASE_URL", server.url)
        upgrade(server.url)
        open_bound_warehouse(load_settings())
        with open_instance(load_settings()):
            pass  # which makes Dagster's tables
        if request.param == "a standby":
            _make_standby(server, Files.below(folder / "server").data)
        else:
            name = server.url.rpartition("/")[2]
            ask(server.url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        yield server.url


def _make_standby(server: OwnServer, data: Path) -> None:
    signal = data / "standby.signal"
    signal.touch()
    os.chown(signal, data.stat().st_uid, data.stat().st_gid)
    server.restart(FAST)
    assert ask(server.url, "SELECT pg_is_in_recovery()") == [(True,)]


def _run(url: str, folder: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what it said."""
    (folder / "movies.csv").write_text(movies_csv("Rust"))
    environment = environment_with(DATAFLOW_HOME=str(load_settings().home), DATABASE_URL=url)
    done = run_dataflow([argument.format(folder=folder) for argument in arguments], environment)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_who_writes_is_told_in_a_sentence(url: str, tmp_path: Path, arguments: list[str]) -> None:
    code, said = _run(url, tmp_path, arguments)
    assert (code, [json.loads(line)["event"] for line in said.splitlines()]) == (1, [str(read_only(url))])
    assert not (load_settings().home / "landing").exists(), "a file has landed that nobody loads"


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_who_reads_is_answered(url: str, tmp_path: Path, arguments: list[str]) -> None:
    code, said = _run(url, tmp_path, arguments)
    assert code == 0, said


def test_the_doctor_says_the_same(url: str) -> None:
    [finding] = [finding for finding in examine(load_settings()) if finding.name == "database"]
    assert (finding.state, finding.sentence) == ("problem", str(read_only(url)))

"""PostgreSQL is restarted, or connections to it end, while something is loaded or read: the run goes on by itself.

Here: the runs of the assets, the database alone at fault. Not here: what a load does to its tables otherwise (see
`warehouse`), and how long the pauses are.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import dagster as dg
import psycopg2
import pytest

from dataflow_assets.orchestration import retries
from dataflow_assets.orchestration.assets import per_partition
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.faults.conftest import logged, tries_again, warned
from dataflow_assets_tests.faults.postgres import FAST, IMMEDIATE, OwnServer, own_server
from dataflow_assets_tests.faults.proxies import FaultyLine, faulty_line
from dataflow_assets_tests.loading import orphan_tables
from dataflow_assets_tests.orchestration.builders import Platform, reasons, session, streams_csv
from dataflow_assets_tests.orchestration.builders import platform as platform_of

DELIVERED, FIRST, LAST = "2021-12-10", "2021-12-05", "2021-12-07"
ROWS = 10_000
# Bytes of a connection: in the midst of the second day that is loaded, and of the days that are read for an answer.
LOADING, READING = 500_000, 50_000


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """A server of these tests' own, with the database `fresh`, which has the present tables and no rows."""
    with own_server(tmp_path_factory.mktemp("own")) as server:
        _run(server.url, "CREATE DATABASE fresh")
        upgrade(_url(server.url, "fresh"))
        yield server


@dataclass(frozen=True)
class Disturbed:
    """A platform with three days in its lake, the line to its database, and the tables to which nothing happens."""

    platform: Platform
    line: FaultyLine
    server: OwnServer
    undisturbed: dict[str, list[tuple[object, ...]]]


WAYS: dict[str, Callable[[OwnServer], Callable[[], None] | None]] = {
    "fast restart": lambda server: lambda: server.restart(FAST),
    "immediate restart": lambda server: lambda: server.restart(IMMEDIATE),
    "terminated": lambda server: lambda: _run(server.url, TERMINATE),
    "cut": lambda server: None,
}
TERMINATE = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE usename = current_user AND pid <> pg_backend_pid()"""


def _land(platform: Platform) -> None:
    begin = datetime(2021, 12, 5, tzinfo=UTC)
    starts = (begin + timedelta(seconds=number % 3 * 86_400 + number // 3) for number in range(ROWS))
    many = [session(start.isoformat(), user=f"u{number}@b.example") for number, start in enumerate(starts)]
    platform.land("streams", DELIVERED, streams_csv(*many, many[0]))
    assert platform.run("lake/streams", DELIVERED).success


def _load(platform: Platform) -> dg.ExecuteInProcessResult:
    return platform.run("warehouse/streams", FIRST, LAST)


def _answer(platform: Platform) -> dg.ExecuteInProcessResult:
    return platform.run("analytics/average_session published/average_session", FIRST, LAST)


@pytest.fixture(scope="module")
def calm(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform to which nothing happens."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATAFLOW_HOME", str(tmp_path_factory.mktemp("calm")))
        environment.setenv("DATABASE_URL", module_database_url)
        with platform_of(load_settings()) as platform:
            _land(platform)
            assert _load(platform).success
            assert _answer(platform).success
            yield platform


@pytest.fixture
def disturbed(clean_environment: pytest.MonkeyPatch, postgres: OwnServer, calm: Platform) -> Iterator[Disturbed]:
    """Another one of the same lake."""
    database = f"disturbed_{uuid.uuid4().hex}"
    _run(postgres.url, f"CREATE DATABASE {database} TEMPLATE fresh")
    with faulty_line("127.0.0.1", postgres.port) as line:
        clean_environment.setenv("DATAFLOW_HOME", str(calm.settings.home))
        clean_environment.setenv("DATABASE_URL", _url(postgres.url, database, line.port))
        with platform_of(load_settings()) as platform:
            yield Disturbed(platform, line, postgres, calm.tables())


def _url(server: str, database: str, port: int | None = None) -> str:
    parts = urlsplit(server)
    return f"postgresql://{parts.username}:{parts.password}@{parts.hostname}:{port or parts.port}/{database}"


def _run(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def _load_and_answer(disturbed: Disturbed, way: str) -> tuple[dg.ExecuteInProcessResult, dg.ExecuteInProcessResult]:
    """Load and answer three days, each disturbed once: both runs, which leave what undisturbed ones do."""
    platform, line = disturbed.platform, disturbed.line
    line.arm(LOADING, WAYS[way](disturbed.server))
    load = _load(platform)
    line.arm(READING, WAYS[way](disturbed.server))
    answer = _answer(platform)
    assert line.traps == []
    assert load.success
    assert answer.success
    assert platform.tables() == disturbed.undisturbed
    sums = "SELECT sum(accepted), sum(rows + superseded) FROM ledger.event_days"
    assert platform.query(sums) == [(ROWS + 1, ROWS + 1)]
    assert orphan_tables(platform.settings) == []
    return load, answer


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are loaded and answered as those are that are large or were loaded before."""
    monkeypatch.setattr(per_partition, "_MOST_TOGETHER", 1)


@pytest.mark.parametrize("way", WAYS)
def test_days_that_are_made_together_are_as_if_nothing_had_happened(disturbed: Disturbed, way: str) -> None:
    load, _ = _load_and_answer(disturbed, way)
    assert re.search(r"2021-12-05 to 2021-12-07 is written one by one, .*connection", warned(disturbed.platform, load))


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_loaded_and_answered_is_as_if_nothing_had_happened(disturbed: Disturbed, way: str) -> None:
    load, answer = _load_and_answer(disturbed, way)
    assert (tries_again(load), tries_again(answer)) == (1, 1)
    assert re.search(r"warehouse/streams 2021-12-06: .*connection", logged(disturbed.platform, load))


@pytest.mark.usefixtures("one_by_one")
def test_days_that_are_loaded_are_left_alone_when_another_is_tried_again(disturbed: Disturbed) -> None:
    platform = disturbed.platform
    disturbed.line.arm(LOADING)
    assert _load(platform).success
    changed = [bool(platform.metadata("warehouse/streams", f"2021-12-0{day}")["is_changed"]) for day in (5, 6, 7)]
    assert changed == [False, True, False]


def test_a_server_that_stays_away_fails_the_run_in_the_end(disturbed: Disturbed) -> None:
    platform = disturbed.platform
    disturbed.line.arm(0, times=1_000)
    result = _load(platform)
    disturbed.line.arm(0, times=0)
    assert not result.success
    assert tries_again(result) == retries.RETRIES.max_retries
    assert _load(platform).success


def test_who_is_not_let_in_does_not_knock_again(disturbed: Disturbed, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATABASE_URL", os.environ["DATABASE_URL"].replace("dataflow:", "dataflow:not-"))
    result = _load(disturbed.platform)
    assert not result.success
    assert tries_again(result) == 0
    assert "password authentication failed" in reasons(result)

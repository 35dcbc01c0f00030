"""Several processes load the same day at once: the tables are those of runs one after the other."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from urllib.parse import urlsplit

import polars as pl
import pytest
from pydantic import SecretStr

from benchmarks.crashes import people, sessions
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets_tests.loading import (
    Landed,
    Report,
    Worker,
    WorkerError,
    ask,
    deliver,
    leftover_locks,
    load,
    orphan_tables,
    summary,
    take_and_load,
    uneven_days,
)
from dataflow_assets_tests.warehouse.builders import wait_until_blocked

DELIVERED, DAY = date(2021, 12, 10), date(2021, 12, 5)
STREAMS = [
    Landed("streams", DELIVERED, "a.csv", sessions((5, 6), megabytes=1, rows=300)),
    Landed("streams", DELIVERED, "a.csv", sessions((5,), megabytes=2, rows=299)),
]
USERS = [
    Landed("users", DELIVERED, "a.csv", people(changed=5, gone=7, rows=300)),
    Landed("users", DELIVERED, "a.csv", people(changed=7, gone=5, rows=300)),
]


@pytest.fixture
def workers(settings: Settings) -> Iterator[list[Worker]]:
    """Two processes that wait for orders."""
    started = [Worker(), Worker()]
    yield started
    for worker in started:
        worker.kill()


def run(worker: Worker, settings: Settings, file: Landed) -> None:
    """Deliver a file, and let nothing else happen."""
    worker.begin(deliver, settings, [file])
    worker.result()


def require_clean(settings: Settings) -> None:
    assert uneven_days(settings) == []
    assert orphan_tables(settings) == []
    assert leftover_locks(settings) == []


def load_version(report: Report, settings: Settings, version: int) -> None:
    """Load the day from a version of the lake."""
    load(settings, find_source("streams"), version, [DAY])


def newest_version(settings: Settings) -> int:
    return rows_table(open_storage(settings), find_source("streams")).open().version()


def test_of_two_versions_that_are_loaded_at_once_the_newer_stays(settings: Settings, workers: list[Worker]) -> None:
    versions, expected = [], {}
    for file in STREAMS:
        run(workers[0], settings, file)
        versions.append(newest_version(settings))
        expected = summary(settings)
    for number in range(20):
        ask(settings, "UPDATE ledger.event_days SET lake_version = 0 RETURNING 1")
        for worker, version in zip(workers, versions[:: 1 if number % 2 else -1], strict=True):
            worker.begin(load_version, settings, version)
        for worker in workers:
            worker.result()
        assert summary(settings) == expected
        require_clean(settings)


@pytest.mark.parametrize("versions", [STREAMS, USERS], ids=["streams", "users"])
def test_two_runs_of_one_day_at_once_end_as_one_after_the_other(
    settings: Settings, workers: list[Worker], versions: list[Landed]
) -> None:
    """Each lands its version of one object, takes in what lies there and loads what that touches."""
    expected = {}
    for file in (*versions, versions[0]):
        run(workers[0], settings, file)
        expected[file.text] = summary(settings)
    assert len({str(found) for found in expected.values()}) == 2
    for number in range(8):
        for worker, file in zip(workers, versions[:: 1 if number % 2 else -1], strict=True):
            worker.begin(deliver, settings, [file])
        for worker in workers:
            worker.result()
        landed = (settings.home / versions[0].key).read_text()
        assert summary(settings) == expected[landed]
        require_clean(settings)


def test_a_new_object_that_two_take_in_at_once_is_there_once(settings: Settings, workers: list[Worker]) -> None:
    for number in range(4):
        key = f"landing/streams/{DELIVERED}/{number}.csv"
        path = settings.home / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sessions((5, 6 + number), megabytes=number, rows=50))
        for worker in workers:
            worker.begin(take_and_load, settings, "streams", key)
        assert [worker.result().accepted for worker in workers] == [102, 102]
        found = summary(settings)
        assert found["lake.streams"][0] == 102 * (number + 1)
        assert found["lake.rejects"][0] == number + 1
        require_clean(settings)
        workers[0].begin(take_and_load, settings, "streams", key)
        workers[0].result()
        assert summary(settings) == found


def load_slowly(report: Report, settings: Settings, version: int) -> DayLoad:
    """Load the day from a version of the lake, whose reading waits until a lock is free."""

    def waiting(rows: pl.DataFrame) -> pl.DataFrame:
        ask(settings, "SELECT pg_advisory_lock(1)")
        return rows

    source = find_source("streams")
    assert isinstance(source, Events)
    lake = rows_table(open_storage(settings), source).scan(version).map_batches(waiting)
    with connect(open_warehouse(settings)) as connection:
        return load_day(connection, source, lake, version, DAY, settings.timezone)


def test_a_slow_run_does_not_replace_what_a_newer_one_wrote_meanwhile(
    settings: Settings, database_url: str, workers: list[Worker]
) -> None:
    slow, fast = workers
    run(fast, settings, STREAMS[0])
    older = newest_version(settings)
    ask(settings, "UPDATE ledger.event_days SET lake_version = 0 RETURNING 1")  # as if it had yet to be loaded
    with connect(database_url) as gate, gate.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        slow.begin(load_slowly, settings, older)
        wait_until_blocked(database_url, 1)
        run(fast, settings, STREAMS[1])
        found = summary(settings)
        assert not slow.is_done(0)
    assert slow.result() == DayLoad(day=DAY, accepted=300, rows=299, superseded=1, is_stale=True)
    assert summary(settings) == found
    require_clean(settings)


@contextmanager
def losing_the_answer_to_commit(url: str) -> Iterator[str]:
    """A way to the server that breaks when it answers to the COMMIT of a loaded day."""
    place = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # the listener is closed
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection((place.hostname, place.port))
                    threading.Thread(target=_relay, args=(client, server), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        user = place.netloc.rpartition("@")[0]
        yield place._replace(netloc=f"{user}@127.0.0.1:{listener.getsockname()[1]}").geturl()
        listener.shutdown(socket.SHUT_RDWR)


def _relay(client: socket.socket, server: socket.socket) -> None:
    asked, is_lost = b"", False
    with client, server:
        while True:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(1 << 16)
                if not data or (end is server and is_lost):
                    return
                if end is client:
                    asked = (asked + data)[-100_000:]
                    is_lost = b"INSERT INTO ledger.event_days" in asked and b"COMMIT" in data
                (server if end is client else client).sendall(data)


def test_a_load_whose_answer_to_commit_was_lost_can_be_done_again(
    settings: Settings, database_url: str, workers: list[Worker]
) -> None:
    run(workers[0], settings, STREAMS[1])
    run(workers[0], settings, STREAMS[0])
    expected = summary(settings)
    run(workers[0], settings, STREAMS[1])
    with losing_the_answer_to_commit(database_url) as url:
        cut_off = settings.model_copy(update={"database_url": SecretStr(url)})
        workers[1].begin(deliver, cut_off, [STREAMS[0]])
        with pytest.raises(WorkerError, match="server closed the connection"):
            workers[1].result()
    of_day = "SELECT count(*) FROM warehouse.streams WHERE event_day = '2021-12-05'"
    assert ask(settings, of_day) == [(300,)], "the first day was committed"
    for _ in range(2):
        run(workers[0], settings, STREAMS[0])
        assert summary(settings) == expected
        require_clean(settings)

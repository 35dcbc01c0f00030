"""The object store answers wrongly, late or not at all while objects are taken into the lake and loaded from there.

Here: S3 behind a proxy that does harm, and the runs of the assets. Not here: what an intake does otherwise (see
`lake`).
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace

import polars as pl
import pytest

from dataflow_assets.lake.delta.table import read_rejects, rows_table
from dataflow_assets.landing import storage as storage_module
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.orchestration import retries
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.faults.conftest import logged, tries_again
from dataflow_assets_tests.faults.proxies import Fault, FaultyStore, faulty_store
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.orchestration.builders import Platform, platform, reasons, session, streams_csv

FIRST, LAST = "2021-12-05", "2021-12-06"
GOOD, BAD = 300, 3


def text(day: int) -> str:
    """A file of some sessions, some of which end before they begin."""
    start = f"2021-12-{day:02}T10:00:00"
    good = [session(start, user=f"u{number}@b.example") for number in range(GOOD)]
    return streams_csv(*good, *[session(start, hours=-1)] * BAD)


@dataclass(frozen=True)
class Disturbed:
    """A platform on S3, and the proxy before it; two files are landed."""

    platform: Platform
    storage: Storage
    store: FaultyStore

    def lake_rows(self) -> int:
        rows = rows_table(self.storage, find_source("streams")).scan()
        return int(rows.select(pl.len()).collect().item())


def _land(storage: Storage) -> None:
    for day in (5, 6):
        land(storage, "streams", "file.csv", text(day), date(2021, 12, day))


@pytest.fixture
def disturbed(
    settings: Settings, s3_storage: Storage, s3_url: str, clean_environment: pytest.MonkeyPatch
) -> Iterator[Disturbed]:
    clean_environment.setattr(storage_module, "REQUEST_SECONDS", 3)
    clean_environment.setattr(storage_module, "RETRY_SECONDS", 6)
    _land(s3_storage)
    with faulty_store(s3_url) as store:
        clean_environment.setenv("AWS_ENDPOINT_URL", store.url)
        with platform(load_settings()) as working:
            yield Disturbed(working, s3_storage, store)


@pytest.fixture(scope="module")
def undisturbed(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[object, ...]]]:
    """The tables of the same files to which nothing happened."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATAFLOW_HOME", str(tmp_path_factory.mktemp("calm")))
        environment.setenv("DATABASE_URL", module_database_url)
        with platform(load_settings()) as working:
            _land(open_storage(load_settings()))
            assert working.run("lake/streams", FIRST, LAST).success
            assert working.run("warehouse/streams", FIRST, LAST).success
            return working.tables()


def test_with_all_kinds_of_failures_the_tables_are_as_if_there_were_none(
    disturbed: Disturbed, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    disturbed.store.fail_sometimes(seed=1, share=0.06)
    for asset in ("lake/streams", "warehouse/streams"):
        # Of so many requests so many fail that a run may give up: it is asked for again, as by the sensor or the night.
        runs = (disturbed.platform.run(asset, FIRST, LAST) for _ in range(5))
        assert any(run.success for run in runs)
    assert len({fault for _, _, fault in disturbed.store.done}) > 2
    assert disturbed.platform.tables() == undisturbed
    assert disturbed.lake_rows() == 2 * GOOD
    assert len(read_rejects(disturbed.storage, "streams")) == 2 * BAD
    sums = "SELECT sum(delivered), sum(accepted), sum(rejected) FROM ledger.deliveries WHERE state = 'accepted'"
    assert disturbed.platform.query(sums) == [(2 * (GOOD + BAD), 2 * GOOD, 2 * BAD)]


@pytest.mark.parametrize(
    ("table", "fault"), [("rejects", Fault.LOST_ANSWER), ("streams", Fault.LOST_ANSWER), ("streams", Fault.RESET)]
)
def test_a_commit_of_which_nobody_knows_whether_it_succeeded(disturbed: Disturbed, table: str, fault: Fault) -> None:
    assert disturbed.platform.run("lake/streams", FIRST).success
    disturbed.store.fail_once(fault, "PUT", f"lake/{table}/_delta_log/")
    result = disturbed.platform.run("lake/streams", LAST)
    assert [(method, found) for method, _, found in disturbed.store.done] == [("PUT", fault)]
    assert result.success
    assert tries_again(result) == 1
    assert "lake/streams 2021-12-06: " in logged(disturbed.platform, result)
    assert disturbed.lake_rows() == 2 * GOOD
    assert len(read_rejects(disturbed.storage, "streams")) == 2 * BAD
    assert rows_table(disturbed.storage, find_source("streams")).open().version() == 2


def test_an_outage_that_ends_is_waited_for(disturbed: Disturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=lambda _: over.set()))  # after the client's own tries
    disturbed.store.choose = lambda method, path: (
        Fault.ERROR if method == "GET" and "landing/" in path and not over.is_set() else None
    )
    result = disturbed.platform.run("lake/streams", FIRST)
    assert result.success
    assert tries_again(result) == 1
    assert len(disturbed.store.done) > 1
    assert "500 Internal Server Error" in logged(disturbed.platform, result)
    assert disturbed.lake_rows() == GOOD


def test_who_may_not_read_does_not_ask_again(disturbed: Disturbed) -> None:
    disturbed.store.choose = lambda method, path: Fault.FORBIDDEN if method == "GET" and "file.csv" in path else None
    result = disturbed.platform.run("lake/streams", FIRST)
    assert not result.success
    assert tries_again(result) == 0
    assert "403 Forbidden" in reasons(result)
    assert len(disturbed.store.done) == 1
